/* The tensors of a model file against a network definition. Private to arch/. */
#ifndef DTP_TENSORS_H
#define DTP_TENSORS_H

#include "arch.h"

/* Compares the file's tensors with those every member needs. Errors: MODEL_TENSORS, MODEL_DTYPE. */
deeptepp_status dtp_tensors_check(const dtp_arch *arch, const dtp_network *network, dtp_safetensors *file,
                                  const deeptepp_callbacks *callbacks, deeptepp_error *error);

#endif
