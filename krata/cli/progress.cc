#include "krata/cli/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "common/cli/table.h"

namespace krata::cli {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kRedraw{100};
constexpr std::size_t kMaxBars = 8;
constexpr std::size_t kBarCells = 30;
constexpr std::size_t kMinColumns = 70;

void put(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

struct Bar {
  image::ContentDigest digest;
  std::uint64_t done_bytes = 0;
  std::uint64_t total_bytes = 0;
};

std::string bar_text(const Bar& bar) {
  const double part =
      bar.total_bytes == 0 ? 1.0 : static_cast<double>(bar.done_bytes) / static_cast<double>(bar.total_bytes);
  const auto cells = std::min(kBarCells, static_cast<std::size_t>(part * kBarCells));
  return fmt::format("{} [{}{}] {:>3}% {}", bar.digest.short_text(), std::string(cells, '#'),
                     std::string(kBarCells - cells, ' '), static_cast<int>(part * 100),
                     common::cli::size_text(bar.total_bytes));
}

// Those that are under way, at most kMaxBars; what is done moves up and stays.
class Bars : public image::Progress {
 public:
  ~Bars() override { draw(true); }

  void moved(const image::ContentDigest& blob, std::uint64_t done_bytes, std::uint64_t total_bytes) override {
    auto bar = std::ranges::find(bars_, blob, &Bar::digest);
    if (bar == bars_.end()) {
      bars_.push_back({.digest = blob, .done_bytes = 0, .total_bytes = total_bytes});
      bar = bars_.end() - 1;
    }
    bar->done_bytes = done_bytes;
    draw(done_bytes == total_bytes);
  }
  void begun(const std::string& what) override {
    draw(true);
    bars_.clear();
    drawn_ = 0;
    put(what + "\n");
  }

 private:
  void draw(bool at_once) {
    if (!at_once && Clock::now() - last_ < kRedraw) {
      return;
    }
    last_ = Clock::now();
    std::string text = drawn_ > 0 ? fmt::format("\x1b[{}A", drawn_) : "";
    for (std::size_t i = 0; i < bars_.size();) {
      text += bar_text(bars_[i]) + "\x1b[K\n";
      const bool done = bars_[i].done_bytes == bars_[i].total_bytes;
      if (done && i == 0 && bars_.size() > kMaxBars) {
        bars_.erase(bars_.begin());
        continue;
      }
      ++i;
    }
    put(text);
    drawn_ = bars_.size();
  }

  std::vector<Bar> bars_;
  std::size_t drawn_ = 0;
  Clock::time_point last_{};
};

class Lines : public image::Progress {
 public:
  void moved(const image::ContentDigest& blob, std::uint64_t done_bytes, std::uint64_t total_bytes) override {
    if (done_bytes == total_bytes && std::ranges::find(told_, blob) == told_.end()) {
      told_.push_back(blob);
      put(fmt::format("{} {}\n", blob.short_text(), common::cli::size_text(total_bytes)));
    }
  }
  void begun(const std::string& what) override { put(what + "\n"); }

 private:
  std::vector<image::ContentDigest> told_;
};

class Silent : public image::Progress {
 public:
  void moved(const image::ContentDigest& /*blob*/, std::uint64_t /*done*/, std::uint64_t /*total*/) override {}
  void begun(const std::string& /*what*/) override {}
};

// Bars want a terminal that is wide enough for one, and knows how to go up.
bool can_draw() {
  struct winsize size{};
  const char* term = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && term != nullptr && std::string_view(term) != "dumb" &&
         (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_col >= kMinColumns);
}

}  // namespace

std::unique_ptr<image::Progress> make_progress(bool quiet) {
  if (quiet) {
    return std::make_unique<Silent>();
  }
  if (can_draw()) {
    return std::make_unique<Bars>();
  }
  return std::make_unique<Lines>();
}

}  // namespace krata::cli
