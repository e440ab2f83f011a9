/* The digest of the data section, computed by a thread of its own while the next tensor is being read: the two take
 * about as long, and opening a model waits for both. Private to file/. */
#ifndef DTP_TENSOR_HASH_H
#define DTP_TENSOR_HASH_H

#include <pthread.h>

#include "safetensors.h"

typedef struct dtp_tensor_hash {
    const dtp_tensor *tensors;
    dtp_digest *digest;
    const dtp_watch *watch;
    size_t ready, done;
    bool threaded, stop;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
} dtp_tensor_hash;

/* Begins. Small files, and systems that refuse a thread, are hashed in dtp_tensor_hash_next itself. Once cancelled
 * the digest is left as it is. */
void dtp_tensor_hash_start(dtp_tensor_hash *hash, const dtp_tensor *tensors, size_t bytes, dtp_digest *digest,
                           const dtp_watch *watch);

/* One more tensor's data is there; it must not change or go before dtp_tensor_hash_finish. */
void dtp_tensor_hash_next(dtp_tensor_hash *hash);

/* Waits until all that is ready is hashed (complete), or only until the thread has stopped. */
void dtp_tensor_hash_finish(dtp_tensor_hash *hash, bool complete);

#endif
