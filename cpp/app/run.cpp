// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include "run.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "document.hpp"
#include "drawing.hpp"
#include "files.hpp"
#include "frames.hpp"
#include "interrupt.hpp"

namespace e2erknn::app {
namespace {

double now() {
    using namespace std::chrono;
    return duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}

// "3 person, 1 bus", the most frequent first.
std::string counted(const Spec &spec, const std::vector<Detection> &detections) {
    std::vector<std::pair<int, int>> counts;  // class, how many
    for (const Detection &d : detections) {
        const auto same = [&](const std::pair<int, int> &c) { return c.first == d.class_id; };
        auto at = std::find_if(counts.begin(), counts.end(), same);
        if (at == counts.end()) at = counts.insert(at, {d.class_id, 0});
        at->second++;
    }
    std::stable_sort(counts.begin(), counts.end(), [](auto &a, auto &b) { return a.second > b.second; });
    std::string out;
    for (const auto &[id, count] : counts)
        out += (out.empty() ? "" : ", ") + std::to_string(count) + " " + spec.name(id);
    return out.empty() ? "nothing" : out;
}

// Where what is drawn goes: a file of its own for each source, and never a source.
class Targets {
public:
    Targets(const std::string &folder, const std::vector<std::string> &sources) : folder_(folder), taken_(sources) {}
    std::string file(const std::string &source) {
        const std::size_t slash = source.rfind('/');
        const std::string base = source.substr(slash == std::string::npos ? 0 : slash + 1);
        const std::string stem = folder_ + "/" + base.substr(0, base.rfind('.')).substr(0, 200);
        std::string name = stem + ".jpg";
        for (int number = 2; std::find(taken_.begin(), taken_.end(), name) != taken_.end(); number++)
            name = stem + "-" + std::to_string(number) + ".jpg";
        taken_.push_back(name);
        return name;
    }

private:
    std::string folder_;
    std::vector<std::string> taken_;
};

// Milliseconds by stage over all runs.
class Clock {
public:
    void add(double read, const Times &times) {
        const double spent[] = {read, times.pre, times.infer, times.post};
        for (std::size_t i = 0; i < std::size(NAMES); i++) spent_[i].push_back(spent[i]);
    }
    void tell(Report &report) {
        std::string members = "\"stages\": {", lines = "ms            p50      p90      p99\n";
        for (std::size_t i = 0; i < std::size(NAMES); i++) {
            auto &times = spent_[i];
            std::sort(times.begin(), times.end());
            members += std::string(i ? ", " : "") + "\"" + NAMES[i] + "\": {";
            char line[32];
            std::snprintf(line, sizeof line, "%-9s", NAMES[i]);
            lines += line;
            for (int part : {50, 90, 99}) {
                const double at = static_cast<double>(times.size() - 1) * part / 100;
                const auto low = static_cast<std::size_t>(at), high = std::min(low + 1, times.size() - 1);
                const double value = times[low] + (times[high] - times[low]) * (at - static_cast<double>(low));
                members += (part > 50 ? ", \"p" : "\"p") + std::to_string(part) + "\": " + shortest(value, 3);
                std::snprintf(line, sizeof line, "%9.3f", value);
                lines += line;
            }
            members += "}";
            lines += "\n";
        }
        if (!spent_[0].empty()) report.add(members + "}", lines);
    }

private:
    static constexpr const char *NAMES[] = {"read", "letterbox", "infer", "post"};
    std::vector<double> spent_[4];
};

// Draws where that is wanted. Returns the file.
std::string drawn_to(const std::string &target, Image &image, const Spec &spec, const std::vector<Detection> &found) {
    if (target.empty()) return "";
    draw(image, spec, found);
    write_file(target, encode_jpeg(image));
    return target;
}

void tell(Report &report, const std::string &path, const Image &image, const Model &model,
          const std::vector<Detection> &found, const std::string &drawn, long frame) {
    const Times t = model.times();
    char spent[40];
    std::snprintf(spent, sizeof spent, " (%.1f ms)", t.pre + t.infer + t.post);
    const std::string line = path + (frame >= 0 ? " " + std::to_string(frame) : "") + ": " +
                             counted(model.spec(), found) + spent + (drawn.empty() ? "" : " -> " + drawn);
    report.tell(entry_of(path, image.width, image.height, model.spec(), found, t, drawn, frame), line);
}

}  // namespace

int run_pictures(Model &model, const Options &options, Report &report) {
    Targets targets(options.out, options.images);
    Clock clock;
    const bool alone = options.images.size() == 1;
    Image image;
    int failures = 0;
    std::string first;
    for (const std::string &path : options.images) {
        if (interrupted()) break;
        try {
            const double start = now();
            read_image(path, image);
            const double read = now() - start;
            std::vector<Detection> found;
            for (int i = 0; i < options.repeat && !interrupted(); i++) {
                found = model.detect(image.picture(), options.thresholds);
                clock.add(read, model.times());
            }
            if (interrupted()) break;
            const std::string target = options.out.empty() ? "" : targets.file(path);
            const std::string drawn = drawn_to(target, image, model.spec(), found);
            tell(report, path, image, model, found, drawn, -1);
        } catch (const Error &error) {
            report.fail(path, error, alone);
            if (alone) throw;
            if (!failures++) first = error.problem();
        }
    }
    if (options.repeat > 1) clock.tell(report);
    if (interrupted()) {
        report.end();
        Report::note("Interrupted: what is listed above is kept.");
        return INTERRUPTED;
    }
    report.end();
    if (failures)
        throw Error(std::to_string(failures) + " of " + std::to_string(options.images.size()) +
                        " pictures could not be used.",
                    "First: " + first);
    return DONE;
}

int run_stream(Model &model, const Options &options, Report &report) {
    Frames frames(STDIN_FILENO, options);
    Image image;
    for (long number = 0; !interrupted() && frames.next(image); number++) {
        const auto found = model.detect(image.picture(), options.thresholds);
        char name[40];
        std::snprintf(name, sizeof name, "/frame-%06ld.jpg", number);
        const std::string drawn = drawn_to(options.out.empty() ? "" : options.out + name, image, model.spec(), found);
        tell(report, "stdin", image, model, found, drawn, number);
    }
    report.end();
    return DONE;
}

}  // namespace e2erknn::app
