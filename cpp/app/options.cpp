// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include "options.hpp"

#include <strings.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <functional>

namespace e2erknn::app {

const char HELP[] = "Usage: e2erknn-run MODEL.rknn IMAGE... [options]\n"
                    "       e2erknn-run MODEL.rknn --stdin rgb24|nv12|mjpeg [--size WxH] [options]\n"
                    "\n"
                    "Run a model made by `e2erknn convert` on the NPU and say what it finds.\n"
                    "\n"
                    "  --conf X        Least score, 0 to 1 (0.25).\n"
                    "  --iou X         Overlap above which the weaker box goes, 0 to 1 (0.7).\n"
                    "  --max-det N     Most detections a picture (300).\n"
                    "  --classes C     Only this class, by name or id; repeat for several.\n"
                    "  --core N        NPU core 0, 1 or 2 (the driver's choice).\n"
                    "  --json          One JSON document on standard output, as `e2erknn demo --json`.\n"
                    "  --out DIR       Draw what is found into this folder.\n"
                    "  --repeat N      Run each picture N times and say how long each stage takes.\n"
                    "  --stdin FORMAT  Frames from standard input: rgb24 and nv12 with --size, or mjpeg.\n"
                    "  --size WxH      Size of the frames, px.\n"
                    "  --help, --version\n"
                    "\n"
                    "Example: e2erknn-run yolov8n-rk3588-int8.rknn bus.jpg --out drawn\n"
                    "Example: v4l2-ctl --stream-mmap --stream-to=- | e2erknn-run model.rknn --stdin mjpeg --json\n";

namespace {

constexpr int MOST_RUNS = 1000000, LARGEST_SIDE = 32767;

[[noreturn]] void misused(const std::string &option, const std::string &value, const std::string &fix) {
    throw UsageError(option + " " + value + " cannot be.", fix);
}

double number(const std::string &option, const std::string &text) {
    char *end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (text.empty() || *end) misused(option, text, "Give a number, such as " + option + " 0.5.");
    return value;
}

int whole(const std::string &option, const std::string &text, int least, int most) {
    char *end = nullptr;
    errno = 0;
    const long value = std::strtol(text.c_str(), &end, 10);
    if (text.empty() || *end || errno || value < least || value > most)
        misused(option, text,
                "Give a whole number from " + std::to_string(least) + " to " + std::to_string(most) + ".");
    return static_cast<int>(value);
}

Stream stream_of(const std::string &text) {
    static constexpr const char *NAMES[] = {"rgb24", "nv12", "mjpeg"};
    for (int i = 0; i < 3; i++)
        if (text == NAMES[i]) return static_cast<Stream>(i + 1);
    misused("--stdin", text, "Give rgb24, nv12 or mjpeg.");
}

void read_size(Options &options, const std::string &text) {
    const std::size_t cross = text.find('x');
    if (cross == std::string::npos) misused("--size", text, "Give width and height, such as --size 640x480.");
    options.width = whole("--size", text.substr(0, cross), 1, LARGEST_SIDE);
    options.height = whole("--size", text.substr(cross + 1), 1, LARGEST_SIDE);
}

struct Option {
    const char *name;
    void (*set)(Options &, const std::string &);
};

// Those that take a value.
constexpr Option VALUES[] = {
    {"--conf", [](Options &o, const std::string &v) { o.thresholds.conf = static_cast<float>(number("--conf", v)); }},
    {"--iou", [](Options &o, const std::string &v) { o.thresholds.iou = number("--iou", v); }},
    {"--max-det", [](Options &o, const std::string &v) { o.thresholds.max_det = whole("--max-det", v, 1, 1 << 30); }},
    {"--classes", [](Options &o, const std::string &v) { o.classes.push_back(v); }},
    {"--core", [](Options &o, const std::string &v) { o.core = whole("--core", v, 0, 2); }},
    {"--out", [](Options &o, const std::string &v) { o.out = v; }},
    {"--repeat", [](Options &o, const std::string &v) { o.repeat = whole("--repeat", v, 1, MOST_RUNS); }},
    {"--stdin", [](Options &o, const std::string &v) { o.stream = stream_of(v); }},
    {"--size", [](Options &o, const std::string &v) { read_size(o, v); }},
};

constexpr Option FLAGS[] = {
    {"--json", [](Options &o, const std::string &) { o.json = true; }},
    {"--help", [](Options &o, const std::string &) { o.help = true; }},
    {"-h", [](Options &o, const std::string &) { o.help = true; }},
    {"--version", [](Options &o, const std::string &) { o.version = true; }},
};

template <std::size_t N> const Option *find(const Option (&options)[N], const std::string &name) {
    for (const Option &option : options)
        if (name == option.name) return &option;
    return nullptr;
}

void check(const Options &o) {
    const bool raw = o.stream == Stream::rgb24 || o.stream == Stream::nv12;
    if (o.model.empty()) throw UsageError("No model was given.", "Give one: e2erknn-run MODEL.rknn IMAGE");
    if (o.images.empty() && o.stream == Stream::none)
        throw UsageError("No picture was given.", "Give one: e2erknn-run " + o.model + " IMAGE");
    if (!o.images.empty() && o.stream != Stream::none)
        throw UsageError("Pictures and --stdin were given.", "Give one of them.");
    if (raw && !o.width) throw UsageError("The frames' size is not known.", "Give it, such as --size 640x480.");
    if (!raw && o.width) throw UsageError("--size is for --stdin rgb24 and nv12 only.", "Leave it out.");
    if (o.stream == Stream::nv12 && (o.width % 2 || o.height % 2))
        throw UsageError("nv12 frames have even sides.", "Give the size the source has.");
    if (o.stream != Stream::none && o.repeat > 1)
        throw UsageError("--repeat is for pictures.", "Leave it out, or give a picture.");
}

}  // namespace

Options parse(int count, char **words) {
    Options options;
    bool only_names = false;
    for (int i = 1; i < count; i++) {
        std::string word = words[i];
        if (only_names || word.size() < 2 || word[0] != '-') {
            (options.model.empty() ? options.model : options.images.emplace_back()) = word;
            continue;
        }
        if (word == "--") {
            only_names = true;
            continue;
        }
        if (const Option *flag = find(FLAGS, word)) {
            flag->set(options, "");
            continue;
        }
        const std::size_t equal = word.find('=');
        const Option *option = find(VALUES, word.substr(0, equal));
        if (!option) throw UsageError("There is no option " + word + ".", "See: e2erknn-run --help");
        if (equal == std::string::npos && i + 1 >= count)
            throw UsageError(word + " has no value.", "See: e2erknn-run --help");
        option->set(options, equal == std::string::npos ? words[++i] : word.substr(equal + 1));
    }
    if (!options.help && !options.version) check(options);
    return options;
}

std::vector<int> class_ids(const std::vector<std::string> &wanted, const Spec &spec) {
    std::vector<int> ids;
    for (const std::string &one : wanted) {
        int id = -1;
        if (!one.empty() && one.size() < 9 &&
            std::all_of(one.begin(), one.end(), [](char c) { return c >= '0' && c <= '9'; }))
            id = std::atoi(one.c_str());
        for (std::size_t i = 0; i < spec.names.size() && id < 0; i++)
            if (!strcasecmp(one.c_str(), spec.names[i].c_str())) id = static_cast<int>(i);
        if (id < 0 || id >= spec.classes) {
            std::string some;
            for (int i = 0; i < std::min(spec.classes, 20); i++)
                some += (i ? ", " : "") + std::to_string(i) + " " + spec.name(i);
            throw UsageError("The model has no class " + one + ".",
                             "It has " + std::to_string(spec.classes) + ": " + some + ".");
        }
        ids.push_back(id);
    }
    return ids;
}

}  // namespace e2erknn::app
