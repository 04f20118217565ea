// A small strict JSON reader (RFC 8259) for what a .rknn says of itself.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace e2erknn {

struct Json {
    enum class Kind { null, boolean, number, text, list, object };
    Kind kind = Kind::null;
    bool truth = false;
    double number = 0;
    std::string text;                                  // UTF-8
    std::vector<Json> items;                           // of a list
    std::vector<std::pair<std::string, Json>> fields;  // of an object, in order; a name is there once

    // Throws std::invalid_argument where the text is no JSON, and says where.
    static Json parse(const std::string &text);
    // A field of an object, null where there is none.
    const Json &operator[](const char *name) const;
};

}  // namespace e2erknn
