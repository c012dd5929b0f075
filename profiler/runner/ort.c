#include "ort.h"

#include <dlfcn.h>
#include <string.h>

typedef void slot(void);

struct api_base { /* OrtApiBase */
    slot *const *(*get_api)(uint32_t version);
    const char *(*get_version)(void);
};

const char *ort_open(struct ort *ort, const char *library) {
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) return dlerror();
    void *symbol = dlsym(handle, "OrtGetApiBase");
    if (symbol == NULL) return dlerror();
    const struct api_base *(*get_base)(void);
    memcpy(&get_base, &symbol, sizeof get_base); /* ISO C has no cast from object to function pointer */
    const struct api_base *base = get_base();
    slot *const *table = base->get_api(ORT_API_VERSION);
    if (table == NULL) return "the runtime is older than ONNX Runtime 1.17";
    ort->version = base->get_version();
    ort->library = handle;
#define X(index, result, name, arguments) ort->name = (result(*) arguments)table[index];
    ORT_FUNCTIONS(X)
#undef X
    return NULL;
}
