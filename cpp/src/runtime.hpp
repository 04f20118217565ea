// The vendor's runtime library: found at run time (librknnrt.so of the board's system image), or linked statically
// (librknnmrt.a of the vendor's SDK, E2ERKNN_STATIC_RKNN). What a version lacks is null.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once
#include "rknn_abi.hpp"

namespace e2erknn {

struct Runtime {
    abi::Init *init;
    abi::Destroy *destroy;
    abi::QueryCall *query;
    abi::Run *run;
    abi::CreateMemory *create_mem;
    abi::DestroyMemory *destroy_mem;
    abi::SetIoMemory *set_io_mem;
    abi::SyncMemory *mem_sync;        // may be null: 1.5.2 keeps its memory coherent itself
    abi::DupContext *dup_context;     // may be null
    abi::SetCoreMask *set_core_mask;  // may be null

    // The library of this process, loaded once. Throws Error where there is none.
    static const Runtime &get();
};

}  // namespace e2erknn
