// The custom string of a .rknn: what the model is, as rknn_zoo_e2e/conversion/custom_string.py writes it.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include <cmath>
#include <stdexcept>
#include <tuple>

#include "e2erknn/e2erknn.hpp"
#include "json.hpp"
#include "text.hpp"

namespace e2erknn {
namespace {

// The same limits as rknn_zoo_e2e/manifest.py.
constexpr int MOST_CLASSES = 20000, LARGEST_SIDE = 8192, MOST_POINTS = 1000;
constexpr std::size_t LONGEST_NAME = 800;  // bytes

int whole(const Json &value, const char *name, int least, int most) {
    const double number = value.number;
    if (value.kind != Json::Kind::number || !(number >= least && number <= most) || number != std::floor(number))
        throw std::invalid_argument(std::string(name) + " is not a number from " + std::to_string(least) + " to " +
                                    std::to_string(most));
    return static_cast<int>(number);
}

std::pair<int, int> pair(const Json &value, const char *name, int least, int most) {
    if (value.kind != Json::Kind::list || value.items.size() != 2)
        throw std::invalid_argument(std::string(name) + " is not a pair");
    return {whole(value.items[0], name, least, most), whole(value.items[1], name, least, most)};
}

Task task_of(const std::string &name) {
    static constexpr const char *NAMES[] = {"detect", "pose", "segment", "obb"};
    for (int i = 0; i < 4; i++)
        if (name == NAMES[i]) return static_cast<Task>(i);
    throw std::invalid_argument("task is not detect, pose, segment or obb");
}

Spec read(const Json &facts) {
    Spec spec;
    spec.task = task_of(facts["task"].text);
    std::tie(spec.height, spec.width) = pair(facts["imgsz"], "imgsz", 1, LARGEST_SIDE);
    spec.classes = whole(facts["classes"], "classes", 1, MOST_CLASSES);
    spec.nms_free = facts["nms_free"].truth;
    // Whose program the outputs are for; where nothing is said, ours.
    const std::string contract = printable(facts["contract"].text.substr(0, 40));
    if (!contract.empty() && contract != "frigate")
        throw Error("This .rknn was built for " + contract + ", whose outputs are not decoded here.",
                    "Build one without --for: e2erknn convert");
    const std::string &layout = facts["layout"].text;
    if (layout != "flat" && layout != "grid") throw std::invalid_argument("layout is not flat or grid");
    spec.grid = layout == "grid";
    spec.pixels = facts["contract"].text == "frigate";
    spec.soc = printable(facts["soc"].text.substr(0, 20));
    if (spec.task == Task::pose) {
        std::tie(spec.points, spec.values) = pair(facts["kpt_shape"], "kpt_shape", 1, MOST_POINTS);
        if (spec.values != 2 && spec.values != 3) throw std::invalid_argument("kpt_shape has not 2 or 3 values");
        for (const Json &one : facts["skeleton"].items)
            spec.skeleton.push_back(pair(one, "skeleton", 0, spec.points - 1));
    }
    if (facts["names"].kind == Json::Kind::text) {
        spec.names = lines_of(facts["names"].text);
        if (static_cast<int>(spec.names.size()) != spec.classes)
            throw std::invalid_argument("there are not as many names as classes");
        for (std::string &name : spec.names)
            if (name = printable(name); name.size() > LONGEST_NAME)
                throw std::invalid_argument("a class name is too long");
    }
    return spec;
}

}  // namespace

Spec Spec::parse(const std::string &json) {
    try {
        const Json facts = Json::parse(json);
        if (facts.kind != Json::Kind::object) throw std::invalid_argument("no object");
        return read(facts);
    } catch (const std::invalid_argument &error) {
        throw Error(std::string("This .rknn does not say what it is (") + error.what() + ").",
                    "Use one made by: e2erknn convert");
    }
}

std::string Spec::name(int class_id) const {
    const auto index = static_cast<std::size_t>(class_id);
    return class_id >= 0 && index < names.size() ? names[index] : "class " + std::to_string(class_id);
}

}  // namespace e2erknn
