// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include "fault.hpp"

namespace e2erknn {
namespace {

struct Meaning {
    int code;
    const char *what, *fix;
};

constexpr char REBUILD[] = "Build it for this board with: e2erknn convert MODEL --soc SOC";
constexpr char UPDATE[] = "Update librknnrt and the NPU driver, or build with the toolkit of their version.";
constexpr char SEE_LOG[] = "Its own message stands above; see also: dmesg | tail";
constexpr char OURS[] = "This is a bug in e2erknn: report it with the version of the runtime.";

// RKNN_ERR_* of the vendor's C API.
constexpr Meaning MEANINGS[] = {
    {-1, "it failed", SEE_LOG},
    {-2, "the NPU did not answer in time", "Restart the board; if it happens again, update the NPU driver."},
    {-3, "there is no NPU it may use",
     "Run it as a user who may open /dev/dri or /dev/rknpu, or check the driver: dmesg | grep -i rknpu"},
    {NO_MEMORY, "there is not enough memory", "Close other programs, or convert with a smaller --imgsz."},
    {-5, "a parameter is not what it takes", OURS},
    {-6, "the model is damaged or of another version", REBUILD},
    {-7, "its context is gone", OURS},
    {-8, "the input is not what it takes", OURS},
    {-9, "an output is not what it gives", OURS},
    {-10, "the library and the NPU's driver do not fit each other", UPDATE},
    {-11, "the model was made by another version", UPDATE},
    {-12, "the model was made by another version", UPDATE},
    {-13, "the model is for another chip", REBUILD},
};

}  // namespace

Error vendor_error(int code, const std::string &step, const std::string &path) {
    const std::string subject = "The NPU's runtime cannot " + step + " of " + path;
    for (const Meaning &meaning : MEANINGS)
        if (meaning.code == code)
            return {subject + ": " + meaning.what + " (code " + std::to_string(code) + ").", meaning.fix};
    return {subject + " (code " + std::to_string(code) + ").", SEE_LOG};
}

Error memory_error(const std::string &path, std::uint64_t needed) {
    const std::string amount = needed ? ", which needs " + std::to_string((needed + (1 << 20) - 1) >> 20) + " MB" : "";
    return {"There is not enough memory for " + path + amount + ".",
            "Close other programs, or convert with a smaller --imgsz."};
}

}  // namespace e2erknn
