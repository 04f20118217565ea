// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include "interrupt.hpp"

#include <csignal>

namespace e2erknn::app {
namespace {

volatile std::sig_atomic_t asked = 0;

void on_signal(int) { asked = 1; }

}  // namespace

void notice_signals() {
    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = static_cast<int>(SA_RESETHAND);  // and no SA_RESTART: a waiting read ends
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
}

bool interrupted() { return asked != 0; }

}  // namespace e2erknn::app
