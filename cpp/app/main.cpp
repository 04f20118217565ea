// e2erknn-run: one program for every task, layout and chip.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include <cstdio>
#include <cstdlib>
#include <new>

#include "files.hpp"
#include "interrupt.hpp"
#include "run.hpp"

// In place of the standard library's, which prints the name of what was thrown and brings 30 KB of demangler for it.
namespace __gnu_cxx {
void __verbose_terminate_handler() { std::abort(); }
}  // namespace __gnu_cxx

namespace {

using namespace e2erknn;
using namespace e2erknn::app;

int run(Options &options, Report &report) {
    Model model(options.model, options.core);
    options.thresholds.classes = class_ids(options.classes, model.spec());
    if (!options.out.empty()) make_folder(options.out);
    if (!model.note().empty()) Report::note("Note: " + model.note());
    report.name(model.name());
    return options.stream == Stream::none ? run_pictures(model, options, report) : run_stream(model, options, report);
}

}  // namespace

int main(int count, char **words) {
    notice_signals();
    Options options;
    bool json = false;  // known also where the rest cannot be understood
    for (int i = 1; i < count; i++) json = json || std::string(words[i]) == "--json";
    Report report(json);
    try {
        try {
            options = parse(count, words);
            if (options.help || options.version) {
                const std::string text = options.help ? HELP : std::string("e2erknn-run ") + version() + "\n";
                return write_all(1, text.data(), text.size(), "Standard output") ? DONE : FAILED;
            }
            return run(options, report);
        } catch (const UsageError &error) {
            return report.end_with(error, MISUSED);
        } catch (const Error &error) {
            return report.end_with(error, FAILED);
        } catch (const std::bad_alloc &) {
            return report.end_with({"There is not enough memory.", "Close other programs, or give a smaller picture."},
                                   FAILED);
        }
    } catch (const Closed &) {  // whoever read the output has had enough
        return FAILED;
    } catch (const Error &error) {  // standard output itself cannot be written
        Report::note("Error: " + error.problem() + "\n" + error.fix());
        return FAILED;
    }
}
