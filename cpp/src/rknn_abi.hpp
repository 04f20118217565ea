// The C ABI of Rockchip's runtimes as far as it is used here: our own declarations, from their documented calls and
// what rknn_query answers. A runtime refuses a struct of another size, so a changed ABI is an error, not a silent
// fault. AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once
#include <cstddef>
#include <cstdint>

namespace e2erknn::abi {

#if defined(__arm__)
using Context = std::uint32_t;
#else
using Context = std::uint64_t;
#endif

enum Query : int {
    IN_OUT_NUMBER = 0,
    INPUT_ATTRIBUTE = 1,
    OUTPUT_ATTRIBUTE = 2,
    SDK_VERSION = 5,
    MEMORY_SIZE = 6,
    CUSTOM_STRING = 7,
    NATIVE_INPUT_ATTRIBUTE = 8,
    NATIVE_OUTPUT_ATTRIBUTE = 9,
};

enum : std::int32_t { FLOAT32 = 0, FLOAT16 = 1, INT8 = 2, UINT8 = 3, INT16 = 4 };
enum : std::int32_t { NCHW = 0, NHWC = 1, NC1HWC2 = 2, UNDEFINED = 3 };
enum : int { SYNC_TO_DEVICE = 1, SYNC_FROM_DEVICE = 2 };

constexpr int MOST_DIMS = 16, NAME_LENGTH = 256;

struct InOutNumber {
    std::uint32_t inputs, outputs;
};

struct Attribute {
    std::uint32_t index, n_dims, dims[MOST_DIMS];
    char name[NAME_LENGTH];
    std::uint32_t n_elems, size;
    std::int32_t format, type, quantization;
    std::int8_t fraction_length;
    std::int32_t zero_point;
    float scale;
    std::uint32_t w_stride, size_with_stride;
    std::uint8_t pass_through;
    std::uint32_t h_stride;
};

struct SdkVersion {
    char api[256], driver[256];
};

struct CustomString {
    char text[1024];
};

struct MemorySize {
    std::uint32_t weights, internal;
    std::uint64_t dma;
    std::uint32_t sram, free_sram, reserved[10];
};

struct Memory {
    void *address;
    std::uint64_t physical;
    std::int32_t fd, offset;
    std::uint32_t size, flags;
    void *priv;
};

static_assert(sizeof(InOutNumber) == 8);
static_assert(sizeof(Attribute) == 376);
static_assert(sizeof(SdkVersion) == 512);
static_assert(sizeof(CustomString) == 1024);
static_assert(sizeof(MemorySize) == 64);
static_assert(sizeof(Memory) == 40);
static_assert(offsetof(Attribute, n_elems) == 328 && offsetof(Attribute, scale) == 356 &&
              offsetof(Attribute, h_stride) == 372);
static_assert(offsetof(Memory, physical) == 8 && offsetof(Memory, fd) == 16 && offsetof(Memory, priv) == 32);

extern "C" {
using Init = int(Context *, void *model, std::uint32_t size, std::uint32_t flags, void *extend);
using Destroy = int(Context);
using QueryCall = int(Context, int query, void *answer, std::uint32_t size);
using Run = int(Context, void *extend);
using CreateMemory = Memory *(Context, std::uint32_t size);
using DestroyMemory = int(Context, Memory *);
using SetIoMemory = int(Context, Memory *, Attribute *);
using SyncMemory = int(Context, Memory *, int direction);
using DupContext = int(Context *from, Context *to);
using SetCoreMask = int(Context, int mask);
}

}  // namespace e2erknn::abi
