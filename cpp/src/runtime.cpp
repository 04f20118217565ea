// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include "runtime.hpp"

#include "e2erknn/e2erknn.hpp"

#if defined(E2ERKNN_STATIC_RKNN)

#define E2ERKNN_OPTIONAL __attribute__((weak))
extern "C" {
e2erknn::abi::Init rknn_init;
e2erknn::abi::Destroy rknn_destroy;
e2erknn::abi::QueryCall rknn_query;
e2erknn::abi::Run rknn_run;
e2erknn::abi::CreateMemory rknn_create_mem;
e2erknn::abi::DestroyMemory rknn_destroy_mem;
e2erknn::abi::SetIoMemory rknn_set_io_mem;
E2ERKNN_OPTIONAL e2erknn::abi::SyncMemory rknn_mem_sync;
E2ERKNN_OPTIONAL e2erknn::abi::DupContext rknn_dup_context;
E2ERKNN_OPTIONAL e2erknn::abi::SetCoreMask rknn_set_core_mask;
}

namespace e2erknn {

const Runtime &Runtime::get() {
    static const Runtime linked{rknn_init,        rknn_destroy,    rknn_query,    rknn_run,         rknn_create_mem,
                                rknn_destroy_mem, rknn_set_io_mem, rknn_mem_sync, rknn_dup_context, rknn_set_core_mask};
    return linked;
}

}  // namespace e2erknn

#else

#include <dlfcn.h>

#include <cstdlib>

namespace e2erknn {
namespace {

constexpr char UPDATE[] = "Update the board's system image, or put a newer librknnrt.so in /usr/lib.";

template <class F> void find(void *library, const char *name, F *&function, bool needed) {
    function = reinterpret_cast<F *>(dlsym(library, name));
    if (needed && !function) throw Error(std::string("librknnrt has no ") + name + ".", UPDATE);
}

Runtime load() {
    const char *asked = std::getenv("E2ERKNN_RKNNRT");
    const char *name = asked && *asked ? asked : "librknnrt.so";
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char *why = dlerror();
        throw Error(std::string("The NPU's runtime cannot be loaded (") + (why ? why : name) + ").",
                    "Run it on a Rockchip board with librknnrt.so, or name the library: E2ERKNN_RKNNRT=/path/to/it");
    }
    Runtime found{};
    find(library, "rknn_init", found.init, true);
    find(library, "rknn_destroy", found.destroy, true);
    find(library, "rknn_query", found.query, true);
    find(library, "rknn_run", found.run, true);
    find(library, "rknn_create_mem", found.create_mem, true);
    find(library, "rknn_destroy_mem", found.destroy_mem, true);
    find(library, "rknn_set_io_mem", found.set_io_mem, true);
    find(library, "rknn_mem_sync", found.mem_sync, false);
    find(library, "rknn_dup_context", found.dup_context, false);
    find(library, "rknn_set_core_mask", found.set_core_mask, false);
    return found;
}

}  // namespace

const Runtime &Runtime::get() {
    static const Runtime loaded = load();  // never unloaded: its threads may outlive any model
    return loaded;
}

}  // namespace e2erknn

#endif
