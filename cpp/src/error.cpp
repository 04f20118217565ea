// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include "e2erknn/e2erknn.hpp"

#ifndef E2ERKNN_VERSION
#define E2ERKNN_VERSION "0"
#endif

namespace e2erknn {

Error::Error(std::string problem, std::string fix)
    : std::runtime_error(problem + " " + fix), problem_(std::move(problem)), fix_(std::move(fix)) {}
Error::~Error() = default;
UsageError::~UsageError() = default;

const char *version() { return E2ERKNN_VERSION; }

}  // namespace e2erknn
