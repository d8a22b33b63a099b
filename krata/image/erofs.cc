#include "krata/image/erofs.h"

namespace krata::image {

common::Result<void> write_erofs(const Tree& /*tree*/, const Spool& /*spool*/, int /*fd*/) {
  return common::Error(common::ErrorCode::unsupported, "erofs is not there yet");
}

}  // namespace krata::image
