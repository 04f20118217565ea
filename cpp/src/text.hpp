// Small helpers with text.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

namespace e2erknn {

// A text without the characters a terminal would obey.
inline std::string printable(const std::string &text) {
    std::string out;
    for (char c : text)
        if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) out += c;
    return out;
}

// The lines of a text; one break at its end begins no further line.
inline std::vector<std::string> lines_of(const std::string &text) {
    std::vector<std::string> lines;
    for (std::size_t from = 0; from < text.size() || (from == text.size() && lines.empty());) {
        const std::size_t end = std::min(text.find('\n', from), text.size());
        lines.push_back(text.substr(from, end - from));
        from = end + 1;
    }
    return lines;
}

}  // namespace e2erknn
