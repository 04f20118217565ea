/* A pretended NPU runtime, for tests: answers attributes and tensors recorded in the vendor's simulator, from the
   folder E2ERKNN_STANDIN. It is stricter than any real one: a wrong size, a wrong order, a use after free, a leak or an
   input that is not the recorded one ends the process with status 99.
   AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.

   Built as librknnrt.so (RK), as librknnrt-old.so (STANDIN_OLD: without the newer calls), and as librknnmrt.a
   (STANDIN_RV: zero copy only).
   E2ERKNN_STANDIN_FAIL=rknn_run:2:-1 lets the second call of rknn_run give -1 (rknn_create_mem gives no memory; what
   destroys does so, then gives it); of several, separated by commas, each.
   E2ERKNN_STANDIN_ANY=1 takes any input and answers with the first recorded tensors. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__arm__)
typedef uint32_t handle;
#else
typedef uint64_t handle;
#endif

enum { MOST = 64, OUTPUTS = 2, GONE = 0xA5 };

typedef struct {
    uint32_t index, n_dims, dims[16];
    char name[256];
    uint32_t n_elems, size;
    int32_t fmt, type, qnt;
    int8_t fl;
    int32_t zp;
    float scale;
    uint32_t w_stride, size_with_stride;
    uint8_t pass_through;
    uint32_t h_stride;
} attribute;

typedef struct {
    void *virt_addr;
    uint64_t phys_addr;
    int32_t fd, offset;
    uint32_t size, flags;
    void *priv;
} memory;

typedef struct {
    int live, synced;
    memory *set[1 + OUTPUTS], *made[MOST];
    unsigned char *hidden[OUTPUTS]; /* what the NPU wrote, before a sync brings it */
} context;

static context contexts[MOST];
static attribute native_in, plain_in, native_out[OUTPUTS], plain_out[OUTPUTS];
static uint32_t outputs;
static char custom[1024];

static void broken(const char *what) {
    fprintf(stderr, "stand-in: %s\n", what);
    _exit(99);
}

static void *file(const char *name, size_t *size) {
    char path[4096];
    const char *folder = getenv("E2ERKNN_STANDIN");
    if (!folder) broken("E2ERKNN_STANDIN is not set");
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    char *content = malloc(*size + 1);
    if (fread(content, 1, *size, f) != *size) broken("a recorded file cannot be read");
    content[*size] = 0;
    fclose(f);
    return content;
}

static int fails(const char *call) {
    static int seen[MOST];
    const char *wanted = getenv("E2ERKNN_STANDIN_FAIL");
    for (int k = 0; wanted && *wanted; k++) {
        char name[32];
        int nth = 0, code = 0, length = 0;
        if (k == MOST || sscanf(wanted, "%31[a-z_]:%d:%d%n", name, &nth, &code, &length) != 3)
            broken("E2ERKNN_STANDIN_FAIL is not CALL:N:CODE,...");
        if (!strcmp(name, call) && ++seen[k] == nth) return code;
        wanted += length;
        wanted += *wanted == ',';
    }
    return 0;
}
#define MAY_FAIL                                                                                                       \
    do {                                                                                                               \
        const int code = fails(__func__);                                                                              \
        if (code) return code;                                                                                         \
    } while (0)

static context *of(handle h) {
    if (h < 1 || h > MOST || !contexts[h - 1].live) broken("a call for a context that is not open");
    return &contexts[h - 1];
}

__attribute__((destructor)) static void check_leaks(void) {
    for (int i = 0; i < MOST; i++)
        if (contexts[i].live) broken("a context was not destroyed");
}

static void load(void) {
    size_t size = 0;
    attribute *all = file("attributes.bin", &size);
    if (!all || size % sizeof *all || size / sizeof *all < 4) broken("attributes.bin is missing");
    outputs = (uint32_t)(size / sizeof *all - 2) / 2;
    plain_in = all[0];
    native_in = all[1];
    for (uint32_t i = 0; i < outputs; i++) {
        plain_out[i] = all[2 + 2 * i];
        native_out[i] = all[3 + 2 * i];
    }
    free(all);
    char *text = file("custom.json", &size);
    if (!text || size >= sizeof custom) broken("custom.json is missing or too long");
    memcpy(custom, text, size + 1);
    free(text);
}

static int open_context(handle *out) {
    for (int i = 0; i < MOST; i++)
        if (!contexts[i].live) {
            memset(&contexts[i], 0, sizeof contexts[i]);
            contexts[i].live = 1;
            for (uint32_t k = 0; k < outputs; k++) contexts[i].hidden[k] = malloc(native_out[k].size_with_stride);
            *out = (handle)(i + 1);
            return 0;
        }
    broken("too many contexts");
    return -1;
}

int rknn_init(handle *out, void *model, uint32_t size, uint32_t flags, void *extend) {
    MAY_FAIL;
    if (size || flags || extend) broken("rknn_init: a path, a size of 0 and no flags are expected");
    FILE *f = fopen(model, "rb");
    char magic[4] = "";
    if (!f || fread(magic, 1, 4, f) != 4 || memcmp(magic, "RKNN", 4)) broken("rknn_init of what is no .rknn");
    fclose(f);
    load();
    return open_context(out);
}

int rknn_destroy(handle h) {
    context *c = of(h);
    for (int i = 0; i < MOST; i++)
        if (c->made[i]) broken("rknn_destroy before its memory was destroyed");
    for (uint32_t k = 0; k < outputs; k++) free(c->hidden[k]);
    c->live = 0;
    return fails(__func__);
}

static int answer(void *out, uint32_t given, const void *from, uint32_t size) {
    if (given != size) broken("rknn_query with another size than the struct's");
    memcpy(out, from, size);
    return 0;
}

int rknn_query(handle h, int what, void *out, uint32_t size) {
    of(h);
    MAY_FAIL;
    const uint32_t number[2] = {1, outputs}, weights[16] = {3 << 20, 1 << 20};
    char version[512] = "2.3.2 (stand-in)", text[1024] = "";
    const uint32_t index = what == 1 || what == 2 || what == 8 || what == 9 ? *(uint32_t *)out : 0;
    memcpy(version + 256, "0.9.8", 6);
    memcpy(text, custom, sizeof text);
    if (index >= (what == 1 || what == 8 ? 1 : outputs)) broken("rknn_query of an output there is not");
    switch (what) {
    case 0: return answer(out, size, number, sizeof number);
    case 1: return answer(out, size, &plain_in, sizeof plain_in);
    case 2: return answer(out, size, &plain_out[index], sizeof plain_in);
    case 5: return answer(out, size, version, sizeof version);
    case 6: return answer(out, size, weights, sizeof weights);
    case 7: return answer(out, size, text, sizeof text);
    case 8: return answer(out, size, &native_in, sizeof native_in);
    case 9: return answer(out, size, &native_out[index], sizeof native_in);
    default: broken("an unknown rknn_query"); return -1;
    }
}

static int place_of(context *c, memory *m) {
    for (int i = 0; m && i < MOST; i++)
        if (c->made[i] == m) return i;
    broken("memory that is not this context's");
    return -1;
}

memory *rknn_create_mem(handle h, uint32_t size) {
    context *c = of(h);
    if (fails(__func__)) return NULL;
    if (!size) broken("rknn_create_mem of nothing");
    for (int i = 0; i < MOST; i++)
        if (!c->made[i]) {
            memory *m = calloc(1, sizeof *m);
            m->virt_addr = malloc(size); /* just as large, so that a sanitizer sees what goes beyond */
            memset(m->virt_addr, GONE, size);
            m->size = size;
            m->fd = -1;
            return c->made[i] = m;
        }
    broken("too much memory");
    return NULL;
}

int rknn_destroy_mem(handle h, memory *m) {
    context *c = of(h);
    c->made[place_of(c, m)] = NULL;
    for (int i = 0; i < 1 + OUTPUTS; i++)
        if (c->set[i] == m) c->set[i] = NULL;
    free(m->virt_addr);
    free(m);
    return fails(__func__);
}

int rknn_set_io_mem(handle h, memory *m, attribute *a) {
    context *c = of(h);
    MAY_FAIL;
    place_of(c, m);
    for (uint32_t i = 0; i < outputs; i++)
        if (!strcmp(a->name, native_out[i].name)) {
            if (memcmp(a, &native_out[i], sizeof *a)) broken("an output's attribute is not as it was queried");
            if (m->size < a->size_with_stride) broken("too little memory for an output");
            c->set[1 + i] = m;
            return 0;
        }
    if (strcmp(a->name, native_in.name)) broken("rknn_set_io_mem of nothing there is");
    if (a->type != 3 || a->fmt != 1 || a->pass_through) broken("the input is not UINT8 NHWC");
    if (m->size < a->size_with_stride) broken("too little memory for the input");
    c->set[0] = m;
    return 0;
}

/* Which recorded input this is: the nearest; it may differ as far as two decoders and scalers do. */
static int recorded(const memory *m) {
    const uint32_t height = plain_in.dims[1], width = plain_in.dims[2], row = width * 3;
    const uint32_t stride = (native_in.w_stride ? native_in.w_stride : width) * 3;
    if (getenv("E2ERKNN_STANDIN_ANY")) return 0;
    double best = 1e9;
    int nearest = -1;
    for (int n = 0;; n++) {
        char name[40];
        size_t size = 0;
        snprintf(name, sizeof name, "input-%d.bin", n);
        unsigned char *want = file(name, &size);
        if (!want) break;
        if (size != (size_t)row * height) broken("a recorded input has another size");
        uint64_t sum = 0, far = 0, padding = 0;
        for (uint32_t y = 0; y < height; y++)
            for (uint32_t x = 0; x < row; x++) {
                const int w = want[y * row + x], g = ((unsigned char *)m->virt_addr)[y * stride + x];
                sum += (uint64_t)abs(w - g);
                far += abs(w - g) > 8;
            }
        const int top = !memcmp(want, want + 3, row - 3) && want[0] == 114; /* padded above */
        for (uint32_t x = 0; top && x < row; x++) padding += ((unsigned char *)m->virt_addr)[x] != 114;
        free(want);
        const double mean = (double)sum / (row * height);
        if (mean < best && mean <= 1 && far <= row * height / 1000 && !padding) best = mean, nearest = n;
    }
    if (nearest < 0) broken("the input is none of the recorded ones");
    return nearest;
}

int rknn_run(handle h, void *extend) {
    context *c = of(h);
    MAY_FAIL;
    if (extend) broken("rknn_run with something to extend it");
    for (uint32_t i = 0; i <= outputs; i++)
        if (!c->set[i]) broken("rknn_run before all memory was set");
#ifndef STANDIN_OLD
    if (!c->synced) broken("rknn_run before the input was synced to the device");
#endif
    c->synced = 0;
    const int n = recorded(c->set[0]);
    for (uint32_t k = 0; k < outputs; k++) {
        char name[40];
        size_t size = 0;
        snprintf(name, sizeof name, "output-%d-%u.bin", n, k);
        unsigned char *content = file(name, &size);
        if (!content || size > native_out[k].size_with_stride) broken("a recorded output is missing or too large");
#ifdef STANDIN_OLD
        memcpy(c->set[1 + k]->virt_addr, content, size);
#else
        memcpy(c->hidden[k], content, size);
        memset(c->set[1 + k]->virt_addr, GONE, c->set[1 + k]->size);
#endif
        free(content);
    }
    return 0;
}

#ifdef STANDIN_RV
int rknn_inputs_set(handle h, uint32_t n, void *inputs) {
    (void)h, (void)n, (void)inputs;
    return -5;
}
int rknn_outputs_get(handle h, uint32_t n, void *out, void *extend) {
    (void)h, (void)n, (void)out, (void)extend;
    return -5;
}
#endif

#ifndef STANDIN_OLD
int rknn_mem_sync(handle h, memory *m, int direction) {
    context *c = of(h);
    MAY_FAIL;
    place_of(c, m);
    if (direction == 1 && m == c->set[0]) {
        c->synced = 1;
        return 0;
    }
    for (uint32_t k = 0; direction == 2 && k < outputs; k++)
        if (m == c->set[1 + k]) {
            memcpy(m->virt_addr, c->hidden[k], native_out[k].size_with_stride);
            return 0;
        }
    broken("rknn_mem_sync in the wrong direction");
    return -1;
}
#ifndef STANDIN_RV
int rknn_set_core_mask(handle h, int mask) {
    of(h);
    MAY_FAIL;
    if (mask != 1 && mask != 2 && mask != 4) broken("a core mask that is none");
    return 0;
}
int rknn_dup_context(handle *from, handle *to) {
    of(*from);
    MAY_FAIL;
    return open_context(to);
}
#endif
#endif
