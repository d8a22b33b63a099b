#include "krait/datapath/events.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "krait/datapath/pins.h"
#include "krait/datapath/program.h"

namespace krait::datapath {

namespace {

struct FreeRing {
  void operator()(ring_buffer* ring) const { ring_buffer__free(ring); }
};

int keep(void* events, void* data, std::size_t bytes) {
  krait_event event{};
  if (bytes >= sizeof(event)) {
    std::memcpy(&event, data, sizeof(event));
    static_cast<std::vector<krait_event>*>(events)->push_back(event);
  }
  return 0;
}

}  // namespace

struct EventReader::State {
  std::vector<krait_event> events;
  std::unique_ptr<ring_buffer, FreeRing> ring;
  common::Fd lock;  // on the pins' directory
};

EventReader::EventReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
EventReader::EventReader(EventReader&&) noexcept = default;
EventReader& EventReader::operator=(EventReader&&) noexcept = default;
EventReader::~EventReader() = default;

common::Result<EventReader> EventReader::of_map(int map_fd) {
  auto state = std::make_unique<State>();
  state->ring.reset(ring_buffer__new(map_fd, keep, &state->events, nullptr));
  if (!state->ring) {
    return common::Error::from_errno(errno, "open the event buffer");
  }
  return EventReader(std::move(state));
}

common::Result<EventReader> EventReader::open(const std::string& bpffs, const std::string& interface) {
  const Pins pins = Pins::at(bpffs, interface);
  const common::Fd map = pins.get(kEventsPin);
  if (!map.valid()) {
    return common::Error(common::ErrorCode::not_found, fmt::format("{} is not guarded by krait", interface));
  }
  KRAIT_TRY(auto lock, pins.open_directory());
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return errno == EWOULDBLOCK ? common::Error(common::ErrorCode::unavailable,
                                                fmt::format("somebody else reads the events of {} already", interface))
                                : common::Error::from_errno(errno, "lock " + pins.directory());
  }
  auto reader = of_map(map.get());
  if (reader) {
    reader->state_->lock = std::move(lock);
  }
  return reader;
}

common::Result<std::vector<krait_event>> EventReader::read(int timeout_ms) {
  // Whatever is there first: polling reports nothing that came before the buffer was opened.
  int done = ring_buffer__consume(state_->ring.get());
  if (done == 0 && timeout_ms != 0) {
    done = ring_buffer__poll(state_->ring.get(), timeout_ms);
  }
  if (done < 0 && done != -EINTR) {
    return common::Error::from_errno(-done, "read events");
  }
  return std::exchange(state_->events, {});
}

}  // namespace krait::datapath
