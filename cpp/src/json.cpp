// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include "json.hpp"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace e2erknn {
namespace {

constexpr int DEEPEST = 16;

class Reader {
public:
    explicit Reader(const std::string &text) : text_(text) {}

    Json document() {
        Json value = read(0);
        space();
        if (at_ != text_.size()) fail("something after its end");
        return value;
    }

private:
    const std::string &text_;
    std::size_t at_ = 0;

    [[noreturn]] void fail(const char *what) const {
        throw std::invalid_argument(std::string(what) + " at byte " + std::to_string(at_));
    }
    // The next byte; 0 at the end, which no JSON holds unescaped.
    char next() const { return at_ < text_.size() ? text_[at_] : '\0'; }
    bool digit() const { return next() >= '0' && next() <= '9'; }
    void space() {
        while (at_ < text_.size() && std::strchr(" \t\n\r", text_[at_]) && text_[at_]) at_++;
    }
    bool take(const char *word) {
        const std::size_t length = std::strlen(word);
        if (text_.compare(at_, length, word)) return false;
        at_ += length;
        return true;
    }
    void expect(char wanted, const char *otherwise) {
        space();
        if (next() != wanted) fail(otherwise);
        at_++;
    }

    Json read(int depth) {
        if (depth > DEEPEST) fail("too deep a nest");
        space();
        Json out;
        switch (next()) {
        case '{': object(out, depth); break;
        case '[': list(out, depth); break;
        case '"':
            out.kind = Json::Kind::text;
            out.text = string();
            break;
        case 't':
        case 'f':
            out.kind = Json::Kind::boolean;
            out.truth = next() == 't';
            if (!take("true") && !take("false")) fail("no value");
            break;
        case 'n':
            if (!take("null")) fail("no value");
            break;
        default: out.kind = Json::Kind::number; out.number = number();
        }
        return out;
    }

    void object(Json &out, int depth) {
        out.kind = Json::Kind::object;
        at_++;
        space();
        if (next() == '}') {
            at_++;
            return;
        }
        for (;;) {
            space();
            if (next() != '"') fail("no name");
            std::string name = string();
            for (const auto &field : out.fields)
                if (field.first == name) fail("a name twice");
            expect(':', "no colon");
            out.fields.emplace_back(std::move(name), read(depth + 1));
            space();
            if (next() == ',') {
                at_++;
                continue;
            }
            expect('}', "an object without end");
            return;
        }
    }

    void list(Json &out, int depth) {
        out.kind = Json::Kind::list;
        at_++;
        space();
        if (next() == ']') {
            at_++;
            return;
        }
        for (;;) {
            out.items.push_back(read(depth + 1));
            space();
            if (next() == ',') {
                at_++;
                continue;
            }
            expect(']', "a list without end");
            return;
        }
    }

    double number() {
        const std::size_t start = at_;
        if (next() == '-') at_++;
        if (next() == '0')
            at_++;
        else
            digits();
        if (next() == '.') {
            at_++;
            digits();
        }
        if (next() == 'e' || next() == 'E') {
            at_++;
            if (next() == '+' || next() == '-') at_++;
            digits();
        }
        const double value = std::strtod(text_.substr(start, at_ - start).c_str(), nullptr);
        if (!std::isfinite(value)) fail("too large a number");
        return value;
    }
    void digits() {
        if (!digit()) fail("no value");
        while (digit()) at_++;
    }

    std::string string() {
        std::string out;
        at_++;
        for (;;) {
            if (at_ >= text_.size()) fail("a text without end");
            const char byte = text_[at_++];
            if (byte == '"') return out;
            if (static_cast<unsigned char>(byte) < 0x20) fail("a control character");
            if (byte != '\\') {
                out += byte;
                continue;
            }
            static constexpr char ESCAPES[] = "\"\\/bfnrt", MEANT[] = "\"\\/\b\f\n\r\t";
            const char letter = next();
            at_++;
            if (letter == 'u')
                utf8(out, code_point());
            else if (const char *found = letter ? std::strchr(ESCAPES, letter) : nullptr)
                out += MEANT[found - ESCAPES];
            else
                fail("an unknown escape");
        }
    }

    unsigned hex() {
        unsigned value = 0;
        for (int i = 0; i < 4; i++, at_++) {
            const char c = next();
            const int figure = c >= '0' && c <= '9'   ? c - '0'
                               : c >= 'a' && c <= 'f' ? c - 'a' + 10
                               : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                      : -1;
            if (figure < 0) fail("an unknown escape");
            value = value * 16 + static_cast<unsigned>(figure);
        }
        return value;
    }

    unsigned code_point() {
        const unsigned first = hex();
        if (first < 0xd800 || first > 0xdfff) return first;
        if (first > 0xdbff || !take("\\u")) fail("half a character");
        const unsigned second = hex();
        if (second < 0xdc00 || second > 0xdfff) fail("half a character");
        return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
    }

    static void utf8(std::string &out, unsigned code) {
        const auto put = [&](unsigned byte) { out += static_cast<char>(byte); };
        if (code < 0x80) {
            put(code);
        } else if (code < 0x800) {
            put(0xc0 | code >> 6);
            put(0x80 | (code & 0x3f));
        } else {
            if (code < 0x10000) {
                put(0xe0 | code >> 12);
            } else {
                put(0xf0 | code >> 18);
                put(0x80 | (code >> 12 & 0x3f));
            }
            put(0x80 | (code >> 6 & 0x3f));
            put(0x80 | (code & 0x3f));
        }
    }
};

}  // namespace

Json Json::parse(const std::string &text) { return Reader(text).document(); }

const Json &Json::operator[](const char *name) const {
    static const Json missing;
    for (const auto &field : fields)
        if (field.first == name) return field.second;
    return missing;
}

}  // namespace e2erknn
