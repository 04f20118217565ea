// Any text as the custom string of a .rknn, and as metadata.yaml: an Error or a Spec, nothing else.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include "e2erknn/e2erknn.hpp"
#include "manifest.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const std::string text(reinterpret_cast<const char *>(data), size);
    try {
        const auto spec = e2erknn::Spec::parse(text);
        if (spec.classes < 1 || spec.width < 1 ||
            (!spec.names.empty() && spec.names.size() != static_cast<std::size_t>(spec.classes)))
            __builtin_trap();
        for (const auto &[a, b] : spec.skeleton)
            if (a < 0 || b < 0 || a >= spec.points || b >= spec.points) __builtin_trap();
    } catch (const e2erknn::Error &) {
    }
    e2erknn::read_manifest(text, "m.rknn");
    return 0;
}
