// What a run says: lines for people, or one JSON document, and errors on standard error.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "e2erknn/e2erknn.hpp"

namespace e2erknn::app {

// Nobody reads standard output any more.
struct Closed {};

class Report {
public:
    explicit Report(bool json) : json_(json) {}
    // Who makes what follows.
    void name(const std::string &model) { model_ = model; }
    // One picture or frame: its JSON, its line.
    void tell(const std::string &entry, const std::string &line);
    // A source that could not be used; alone: the run ends with this error, which is said there.
    void fail(const std::string &path, const Error &error, bool alone);
    // Further members of the document, such as "\"stages\": {...}", and their lines.
    void add(const std::string &members, const std::string &lines);
    // Ends the document.
    void end();
    // An error that ends the run. Returns the exit code.
    int end_with(const Error &error, int code);
    // On standard error.
    static void note(const std::string &line);

private:
    bool json_, begun_ = false, ended_ = false;
    std::size_t told_ = 0;
    std::string model_, failed_, members_;
    void begin();
    void put(const std::string &text);
};

}  // namespace e2erknn::app
