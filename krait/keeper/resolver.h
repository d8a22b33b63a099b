// Looks host names up, by /etc/hosts and DNS as /etc/nsswitch.conf and /etc/resolv.conf say, without ever blocking the
// loop but for reading these files. Wraps c-ares.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/event/loop.h"
#include "common/event/timer.h"
#include "common/fd.h"
#include "common/ip.h"
#include "common/result.h"

struct ares_channeldata;

namespace krait::keeper {

// What a look-up came to.
struct Found {
  std::string name;
  std::vector<common::Ip> addresses;  // the best first (RFC 6724); empty: see `failure`
  std::string failure;                // why there are none
};

// One thread, the loop's. While nothing is looked up there is no timer, no socket and no channel; so the next look-up
// reads the files anew.
class Resolver {
 public:
  // Called from the loop, never from look_up(). Answers come together where they come close to each other.
  using Handler = std::function<void(const std::vector<Found>& answers)>;

  static common::Result<std::unique_ptr<Resolver>> create(common::Loop& loop, Handler handler);
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  ~Resolver();

  // A name that is being looked up already is not looked up twice.
  void look_up(const std::string& name);

 private:
  struct Query;
  struct Closer {
    void operator()(ares_channeldata* channel) const;
  };

  Resolver(common::Loop& loop, Handler handler) : loop_(loop), handler_(std::move(handler)) {}
  void start_waiting_names();
  bool open_channel();
  void ask(const std::string& name);
  void on_socket(int fd, std::uint32_t events);
  void on_timer();
  void go_on();
  void arm_timer();
  void watch(int fd, bool readable, bool writable);  // of c-ares
  void finish(const std::string& name, int status, std::vector<common::Ip> addresses);

  common::Loop& loop_;
  Handler handler_;
  common::Timer timer_;
  std::unique_ptr<ares_channeldata, Closer> channel_;
  std::map<int, common::Loop::Token> sockets_;  // of the channel, which owns them
  std::deque<std::string> waiting_;
  std::set<std::string> known_;  // waiting or under way
  std::size_t under_way_ = 0;    // queries that the channel has
  std::vector<Found> answers_;   // not yet handed over
};

}  // namespace krait::keeper
