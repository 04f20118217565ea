// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include "report.hpp"

#include <unistd.h>

#include "document.hpp"
#include "files.hpp"

namespace e2erknn::app {

void Report::put(const std::string &text) {
    if (!write_all(STDOUT_FILENO, text.data(), text.size(), "Standard output")) throw Closed{};
}

void Report::note(const std::string &line) {
    const std::string text = line + "\n";
    try {
        write_all(STDERR_FILENO, text.data(), text.size(), "Standard error");
    } catch (const Error &) {  // there is nowhere left to say it
    }
}

void Report::begin() {
    if (json_ && !begun_) put("{\"model\": " + quoted(model_) + ", \"backend\": \"native\", \"images\": [\n");
    begun_ = true;
}

void Report::tell(const std::string &entry, const std::string &line) {
    begin();
    if (json_)
        put((told_++ ? "," : "") + entry + "\n");  // a whole line each, for who reads a stream
    else
        put(line + "\n");
}

void Report::fail(const std::string &path, const Error &error, bool alone) {
    failed_ += (failed_.empty() ? "" : ", ") +
               ("{\"path\": " + quoted(path) + ", \"error\": " + quoted(error.problem())) + "}";
    if (!alone) note("Skipped: " + error.problem() + " " + error.fix());
}

void Report::add(const std::string &members, const std::string &lines) {
    if (json_)
        members_ += ", " + members;
    else
        put(lines);
}

void Report::end() {
    begin();
    if (json_ && !ended_) put("], \"failed\": [" + failed_ + "]" + members_ + "}\n");
    ended_ = true;
}

int Report::end_with(const Error &error, int code) {
    if (begun_)
        end();  // the document tells what came before
    else if (json_)
        put("{\"error\": {\"what\": " + quoted(error.problem()) + ", \"fix\": " + quoted(error.fix()) + "}}\n");
    note("Error: " + error.problem() + "\n" + error.fix());
    return code;
}

}  // namespace e2erknn::app
