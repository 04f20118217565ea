// Whether values and outputs are such that decode may read them.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once
#include "e2erknn/e2erknn.hpp"

namespace e2erknn {

// Throws UsageError for thresholds that mean nothing, or a class the model does not have.
void check_thresholds(const Thresholds &thresholds, const Spec &spec);
// Throws Error where outputs are not this model's: their number, shapes, types or sizes.
void check_fit(const Spec &spec, const std::vector<Tensor> &outputs);

}  // namespace e2erknn
