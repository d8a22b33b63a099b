#include "krata/backend/run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <memory>
#include <tuple>
#include <utility>

#include "common/confine/confine.h"
#include "common/event/loop.h"
#include "common/event/timer.h"
#include "common/fd.h"
#include "krata/backend/disk_link.h"
#include "krata/block/file_medium.h"
#include "krata/xen/requests.h"

namespace krata::backend {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

using Links = std::vector<std::unique_ptr<DiskLink>>;

struct Place {
  std::uint32_t number = 0;
  std::string file;
  bool is_read_only = false;
};

Result<Place> parse_disk(std::string_view text) {
  Place place;
  const auto equals = text.find('=');
  const auto [rest, failed] = std::from_chars(text.data(), text.data() + std::min(equals, text.size()), place.number);
  const std::string_view file = equals == std::string_view::npos ? "" : text.substr(equals + 1);
  place.is_read_only = file.starts_with("ro:");
  if (failed != std::errc() || rest != text.data() + equals || !(place.is_read_only || file.starts_with("rw:"))) {
    return Error(ErrorCode::invalid_input, fmt::format("{} is no disk; write NUMBER=ro:FILE or NUMBER=rw:FILE", text));
  }
  place.file = file.substr(3);
  return place;
}

// A file's bytes, shared: what was written there is there after SIGKILL.
Result<xen::Mapping> open_memory(const std::string& path) {
  const common::Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.valid() || ::ftruncate(file.get(), sizeof(block::DiskMemory)) != 0) {
    return Error::from_errno(errno, "make " + path);
  }
  void* address = ::mmap(nullptr, sizeof(block::DiskMemory), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (address == MAP_FAILED) {
    return Error::from_errno(errno, "map " + path);
  }
  return xen::Mapping(address, sizeof(block::DiskMemory));
}

Result<std::unique_ptr<DiskLink>> open_disk(Zone& zone, const std::string& state, std::string_view text) {
  KRAIT_TRY(const auto place, parse_disk(text));
  common::Fd file(::open(place.file.c_str(), (place.is_read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC));
  if (!file.valid()) {
    return Error::from_errno(errno, "open the disk " + place.file);
  }
  KRAIT_TRY(auto medium, block::file_medium(std::move(file), place.is_read_only, place.file));
  KRAIT_TRY(auto memory, open_memory(fmt::format("{}/block-{}", state, place.number)));
  return std::make_unique<DiskLink>(zone, place.number, std::move(medium), std::move(memory));
}

// One zone's disks on one loop.
class Server {
 public:
  Server(common::Loop& loop, Zone& zone) : loop_(loop), zone_(zone) {}

  // All files that it ever needs.
  Result<void> open(const Options& options) {
    for (const std::string& text : options.disks) {
      KRAIT_TRY(auto link, open_disk(zone_, options.state, text));
      links_.push_back(std::move(link));
    }
    return {};
  }

  Result<void> start() {
    KRAIT_TRY(more_, common::Timer::create(loop_, [this] { serve_all(); }));
    KRAIT_TRY(events_token_, loop_.add(zone_.events.fd(), EPOLLIN, [this](std::uint32_t) { take_events(); }));
    KRAIT_TRY(store_token_, loop_.add(zone_.store.fd(), EPOLLIN, [this](std::uint32_t) { take_changes(); }));
    for (std::size_t i = 0; i < links_.size(); ++i) {
      KRAIT_CHECK(zone_.store.watch(links_[i]->front_state(), std::to_string(i)));
      KRAIT_CHECK(links_[i]->start());
    }
    take_changes();
    serve_all();
    return {};
  }

  Result<void> failure() { return std::move(failure_); }

 private:
  void take_events() {
    const auto ports = zone_.events.take();
    for (const xen::Port port : ports ? *ports : std::span<const xen::Port>()) {
      std::ignore = zone_.events.unmask(port);
    }
    serve_all();
  }

  // A turn for each; those with more to do come again when the loop has looked at everything else.
  void serve_all() {
    bool has_more = false;
    for (const auto& link : links_) {
      has_more = link->serve() || has_more;
    }
    if (has_more) {
      more_.after(std::chrono::nanoseconds(0));
    }
  }

  void take_changes() {
    for (;;) {
      auto event = zone_.store.next_event();
      if (!event) {
        failure_ = std::move(event.error());
        return loop_.stop();
      }
      if (!*event) {
        break;
      }
      std::size_t index = links_.size();
      std::from_chars((*event)->token.data(), (*event)->token.data() + (*event)->token.size(), index);
      if (index < links_.size()) {
        links_[index]->look();
      }
    }
    bool is_over = true;
    for (const auto& link : links_) {
      is_over = is_over && link->is_finished();
    }
    if (is_over) {
      loop_.stop();
    }
    serve_all();
  }

  common::Loop& loop_;
  Zone& zone_;
  Links links_;
  common::Timer more_;
  common::Loop::Token events_token_ = 0;
  common::Loop::Token store_token_ = 0;
  Result<void> failure_;
};

}  // namespace

Result<void> run(const Options& options, common::Log& log) {
  KRAIT_TRY(const auto loop, common::Loop::create());
  KRAIT_TRY(const auto signals,
            common::Signals::receive(*loop, {SIGTERM, SIGINT}, [&loop](int /*number*/) { loop->stop(); }));
  KRAIT_TRY(const auto store, store::StoreClient::connect(options.store));
  KRAIT_TRY(const auto events, xen::EventDevice::open());
  KRAIT_TRY(const auto grants, xen::GrantDevice::open());
  Zone zone{.domain = options.domain, .log = log, .store = *store, .events = *events, .grants = *grants};
  Server server(*loop, zone);
  KRAIT_CHECK(server.open(options));
  if (!options.user.empty()) {
    KRAIT_CHECK(events->restrict_to(static_cast<xen::DomainId>(options.domain)));
    KRAIT_CHECK(common::confine({.user = options.user, .ioctls = xen::device_requests()}));
  }
  KRAIT_CHECK(server.start());
  KRAIT_CHECK(loop->run());
  return server.failure();
}

}  // namespace krata::backend
