/* The usage block of deeptepp.h as a program: score MODEL IMAGE MASK. Build it anywhere with
 *     cc score.c $(pkg-config --cflags --libs deeptepp) -o score */
#include <stdio.h>

#include <deeptepp/deeptepp.h>

int main(int argc, char **argv)
{
    deeptepp_error error;
    deeptepp_model *model = NULL;
    deeptepp_session *session = NULL;
    deeptepp_volume *image = NULL, *mask = NULL;
    deeptepp_case *patient = NULL;
    deeptepp_result *result = NULL;
    if (argc != 4) {
        fprintf(stderr, "usage: %s MODEL IMAGE MASK\n", argv[0]);
        return 1;
    }
    if (deeptepp_model_open(&model, argv[1], NULL, &error) || deeptepp_session_new(&session, model, NULL, &error) ||
        deeptepp_volume_open(&image, argv[2], NULL, &error) || deeptepp_volume_open(&mask, argv[3], NULL, &error) ||
        deeptepp_case_new(&patient, &error) || deeptepp_case_set_image(patient, NULL, image, &error) ||
        deeptepp_case_set_mask(patient, mask, NULL, &error) ||
        deeptepp_session_score(session, patient, &result, &error))
        fprintf(stderr, "%s: %s\n", deeptepp_status_name(error.status), error.message);
    else
        printf("%s\n", deeptepp_result_json(result));
    int failed = result == NULL;
    deeptepp_result_free(result);
    deeptepp_case_free(patient);
    deeptepp_volume_free(mask);
    deeptepp_volume_free(image);
    deeptepp_session_free(session);
    deeptepp_model_free(model);
    return failed;
}
