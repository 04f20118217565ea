// Ctrl-C: what is under way is finished or given up in order.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once

namespace e2erknn::app {

// From now on SIGINT and SIGTERM are noticed once; a second one ends the program at once. SIGPIPE is an errno.
void notice_signals();
bool interrupted();

}  // namespace e2erknn::app
