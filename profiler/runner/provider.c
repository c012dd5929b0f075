#include "provider.h"

#include <ctype.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "child.h"
#include "console.h"

enum { NAME_SIZE = 128, LIST_SIZE = 512 };

static const char SUFFIX[] = "executionprovider";

/* `xnnpack` for both `XnnpackExecutionProvider` and `XNNPACK`. */
static void plain_name(const char *name, char *plain) {
    size_t length = 0;
    for (; name[length] && length < NAME_SIZE - 1; length++) plain[length] = (char)tolower((unsigned char)name[length]);
    plain[length] = '\0';
    size_t suffix = sizeof SUFFIX - 1;
    if (length > suffix && strcmp(plain + length - suffix, SUFFIX) == 0) plain[length - suffix] = '\0';
}

void provider_list(struct session *session, char *text, size_t size) {
    char **names;
    int count;
    size_t length = 0;
    text[0] = '\0';
    CALL(session, GetAvailableProviders, &names, &count);
    for (int i = 0; i < count && length < size; i++)
        length += (size_t)snprintf(text + length, size - length, "%s%s", i ? "," : "", names[i]);
}

/* How the runtime spells the provider that the plan asks for. Ends the run where it has none such. */
static const char *find(struct session *session) {
    char **names, asked[NAME_SIZE], plain[NAME_SIZE], list[LIST_SIZE];
    int count;
    plain_name(session->plan->provider, asked);
    CALL(session, GetAvailableProviders, &names, &count);
    for (int i = 0; i < count; i++) {
        plain_name(names[i], plain);
        if (strcmp(plain, asked) == 0) return names[i]; /* the list stays until the process ends */
    }
    provider_list(session, list, sizeof list);
    child_end(session->outcome, STATUS_UNSUPPORTED, "the runtime has no provider %s; it has %s",
              session->plan->provider, list);
}

/* NNAPI has a function of its own, exported by the library and not in the table; flags are those of
 * nnapi_provider_factory.h, 0 for the defaults: any of the device's accelerators, in 32 bits. On a device without NNAPI
 * (before Android 8.1) the runtime would crash. */
static OrtStatus *append_nnapi(const struct ort *ort, OrtSessionOptions *options) {
    OrtStatus *(*append)(OrtSessionOptions *, uint32_t flags);
    void *symbol = dlsym(ort->library, "OrtSessionOptionsAppendExecutionProvider_Nnapi");
    if (symbol == NULL) return ort->CreateStatus(ORT_NOT_IMPLEMENTED, "the library does not export NNAPI's function");
    if (dlopen("libneuralnetworks.so", RTLD_NOW) == NULL)
        return ort->CreateStatus(ORT_NOT_IMPLEMENTED, "the device has no libneuralnetworks.so");
    memcpy(&append, &symbol, sizeof append);
    return append(options, 0);
}

/* Runtimes before 1.23 take short names only, `XNNPACK`; later ones take those that they report, too. */
static OrtStatus *append_by_name(const struct ort *ort, OrtSessionOptions *options, const char *name,
                                 const char *const *keys, const char *const *values, size_t count) {
    char shortened[NAME_SIZE];
    OrtStatus *refusal = ort->SessionOptionsAppendExecutionProvider(options, name, keys, values, count);
    if (refusal == NULL) return NULL;
    plain_name(name, shortened);
    for (char *c = shortened; *c; c++) *c = (char)toupper((unsigned char)*c);
    OrtStatus *second = ort->SessionOptionsAppendExecutionProvider(options, shortened, keys, values, count);
    ort->ReleaseStatus(second ? second : refusal);
    return second ? refusal : NULL;
}

void provider_configure(struct session *session, OrtSessionOptions *options) {
    const struct plan_run *plan = session->plan;
    const char *name = find(session);
    char plain[NAME_SIZE], threads[24];
    plain_name(name, plain);
    snprintf(threads, sizeof threads, "%lld", plan->threads);
    /* XNNPACK brings a pool of its own. Its documentation says to give that one the threads, to leave the session a
     * single one, and to let none spin: two pools on the same cores get in each other's way. */
    bool has_own_pool = strcmp(plain, "xnnpack") == 0;
    const char *const keys[] = {"intra_op_num_threads"}, *const values[] = {threads};
    CALL(session, SetIntraOpNumThreads, options, has_own_pool ? 1 : (int)plan->threads);
    CALL(session, AddSessionConfigEntry, options, "session.intra_op.allow_spinning",
         plan->spin && !has_own_pool ? "1" : "0");
    OrtStatus *refusal = NULL;
    if (strcmp(plain, "nnapi") == 0) refusal = append_nnapi(&session->ort, options);
    else if (strcmp(plain, "cpu") != 0)
        refusal = append_by_name(&session->ort, options, name, keys, values, has_own_pool);
    if (refusal)
        child_end(session->outcome, STATUS_UNSUPPORTED, "provider %s: %s", plan->provider,
                  session->ort.GetErrorMessage(refusal));
}

const char *provider_print(const char *runtime) {
    struct ort ort;
    char **names;
    int count;
    const char *error = ort_open(&ort, runtime);
    if (error) return error;
    OrtStatus *status = ort.GetAvailableProviders(&names, &count);
    if (status) return ort.GetErrorMessage(status);
    for (int i = 0; i < count; i++) say("%s\n", names[i]);
    return NULL;
}
