#include "tensor_hash.h"

#include "../base/worker.h"

static const size_t WORTH_A_THREAD = (size_t)8 << 20;

static void hash_one(dtp_tensor_hash *hash, size_t index)
{
    enum { PIECE = 4 << 20 }; /* some milliseconds */
    const dtp_tensor *tensor = &hash->tensors[index];
    const uint8_t *data = tensor->data;
    const size_t size = tensor->end - tensor->begin;
    for (size_t at = 0; at < size; at += PIECE)
        if (!dtp_watch_cancelled(hash->watch))
            dtp_digest_add(hash->digest, data + at, size - at < PIECE ? size - at : PIECE);
}

static void *hash_main(void *argument)
{
    dtp_tensor_hash *hash = argument;
    pthread_mutex_lock(&hash->lock);
    for (;;) {
        while (hash->done >= hash->ready && !hash->stop)
            pthread_cond_wait(&hash->changed, &hash->lock);
        if (hash->done >= hash->ready)
            break;
        size_t index = hash->done;
        pthread_mutex_unlock(&hash->lock);
        hash_one(hash, index);
        pthread_mutex_lock(&hash->lock);
        hash->done++;
    }
    pthread_mutex_unlock(&hash->lock);
    return NULL;
}

void dtp_tensor_hash_start(dtp_tensor_hash *hash, const dtp_tensor *tensors, size_t bytes, dtp_digest *digest,
                           const dtp_watch *watch)
{
    *hash = (dtp_tensor_hash){.tensors = tensors, .digest = digest, .watch = watch};
    if (bytes < WORTH_A_THREAD)
        return;
    pthread_mutex_init(&hash->lock, NULL);
    pthread_cond_init(&hash->changed, NULL);
    hash->threaded = dtp_thread_start(&hash->thread, hash_main, hash) == 0;
}

void dtp_tensor_hash_next(dtp_tensor_hash *hash)
{
    if (!hash->threaded) {
        hash_one(hash, hash->ready++);
        return;
    }
    pthread_mutex_lock(&hash->lock);
    hash->ready++;
    pthread_cond_signal(&hash->changed);
    pthread_mutex_unlock(&hash->lock);
}

void dtp_tensor_hash_finish(dtp_tensor_hash *hash, bool complete)
{
    if (!hash->threaded)
        return;
    pthread_mutex_lock(&hash->lock);
    hash->stop = true;
    if (!complete)
        hash->ready = 0;
    pthread_cond_signal(&hash->changed);
    pthread_mutex_unlock(&hash->lock);
    pthread_join(hash->thread, NULL);
    pthread_mutex_destroy(&hash->lock);
    pthread_cond_destroy(&hash->changed);
    hash->threaded = false;
}
