#define _GNU_SOURCE
#include "tensor_hash.h"

#include <signal.h>

#include "../base/worker.h"

static const size_t WORTH_A_THREAD = (size_t)8 << 20;

static void hash_one(dtp_tensor_hash *hash, size_t index)
{
    const dtp_tensor *tensor = &hash->tensors[index];
    dtp_digest_add(hash->digest, tensor->data, tensor->end - tensor->begin);
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

void dtp_tensor_hash_start(dtp_tensor_hash *hash, const dtp_tensor *tensors, size_t bytes, dtp_digest *digest)
{
    sigset_t all, before;
    *hash = (dtp_tensor_hash){.tensors = tensors, .digest = digest};
    if (bytes < WORTH_A_THREAD)
        return;
    pthread_mutex_init(&hash->lock, NULL);
    pthread_cond_init(&hash->changed, NULL);
    sigfillset(&all);
    dtp_keep_faults(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    hash->threaded = pthread_create(&hash->thread, NULL, hash_main, hash) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
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
