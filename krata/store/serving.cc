#include "krata/store/serving.h"

#include "common/event/unix_socket.h"

namespace krata::store {

bool is_served(const std::string& socket) { return common::connect_unix(socket).has_value(); }

}  // namespace krata::store
