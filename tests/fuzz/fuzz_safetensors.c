/* Any bytes as a model file. What is accepted must hold together. */
#include "../../libdeeptepp/file/model_file.h"
#include "fuzz.h"

static void check_tensor(const dtp_safetensors *file, dtp_tensor *tensor)
{
    float *values = NULL;
    deeptepp_error error = {0};
    require(dtp_safetensors_find(file, tensor->name) == tensor);
    deeptepp_status status = dtp_tensor_take_f32(tensor, &values, &error);
    require((status == DEEPTEPP_OK) == (values != NULL) && error.status == status);
    for (size_t i = 0; values && i < tensor->count; i++)
        require(values[i] - values[i] == 0);
    free(values);
}

static void check_model(dtp_model_file *model, size_t size)
{
    size_t at = 0;
    require(model->description->kind == DTP_JSON_OBJECT && strlen(model->sha256) == 64);
    for (size_t i = 0; i < model->file.count; i++) {
        dtp_tensor *tensor = &model->file.tensors[i];
        require(tensor->begin == at && tensor->end >= at && tensor->end <= size);
        at = tensor->end;
        check_tensor(&model->file, tensor);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    dtp_model_file model;
    deeptepp_error error = {0};
    deeptepp_status status = dtp_model_file_from_bytes(&model, bytes, size, 0, NULL, &error);
    require(error.status == status && (status == DEEPTEPP_OK) == (model.description != NULL));
    if (status == DEEPTEPP_OK)
        check_model(&model, size);
    dtp_model_file_close(&model);
    return 0;
}
