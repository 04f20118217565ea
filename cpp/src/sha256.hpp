// SHA-256 (FIPS 180-4).
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace e2erknn {

class Sha256 {
public:
    void add(const std::uint8_t *data, std::size_t size);
    std::string hex();  // of all that was added; nothing is added afterwards

private:
    std::uint32_t state_[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                               0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    std::uint8_t block_[64];
    std::uint64_t size_ = 0;
    void block(const std::uint8_t *data);
};

}  // namespace e2erknn
