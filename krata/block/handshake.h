// How the two ends of a virtual disk come together and part in xenstore (xen/io/blkif.h, xen/io/xenbus.h). Pure: states
// and keys in, keys and steps out.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace krata::block {

// enum xenbus_state.
enum class BusState : std::uint8_t {
  unknown = 0,
  initialising = 1,
  init_wait = 2,
  initialised = 3,
  connected = 4,
  closing = 5,
  closed = 6,
};

using Keys = std::map<std::string, std::string, std::less<>>;

struct DiskDescription {
  std::uint64_t sectors = 0;
  bool read_only = false;
};

// Whether the pages of requests are borrowed for as long as the front end is connected, if that lends them: both ends
// have to say so, since one that does not takes them back after each request.
bool borrows(const DiskDescription& disk);
// The back end's keys before the front end is there, but for "state".
Keys offered_keys(const DiskDescription& disk);
// The further keys with which the back end is connected.
Keys connected_keys(const DiskDescription& disk);

// Where the front end says that its ring lies.
struct RingPlace {
  std::vector<std::uint32_t> grants;  // 1, 2 or 4
  std::uint32_t event_channel = 0;
  bool lends = false;  // the front end would lend the pages of its requests: see borrows()
};
// From the front end's keys, which the zone wrote. Fails with invalid_input.
common::Result<RingPlace> ring_place(const Keys& front_end);

enum class Step : std::uint8_t {
  wait,        // for the next change
  offer,       // write offered_keys() and the state init_wait anew: the front end begins from the start
  connect,     // map the ring, then write connected_keys() and the state connected
  disconnect,  // let go of the ring, then write the state closed
  finish,      // let go of everything: the front end is gone for good
};
// What to do about the front end's state: its text, which the zone wrote, or nothing where the node is gone.
Step next_step(BusState ours, std::optional<std::string_view> front_end_state);

}  // namespace krata::block
