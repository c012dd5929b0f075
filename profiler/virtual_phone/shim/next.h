/* The function that this library stands before. */
#ifndef NEXT_H
#define NEXT_H

#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

#define NEXT(name)                                      \
    ({                                                  \
        static __typeof__(&name) next;                  \
        if (!next) {                                    \
            void *symbol = dlsym(RTLD_NEXT, #name);     \
            memcpy(&next, &symbol, sizeof next);        \
        }                                               \
        next;                                           \
    })

#endif
