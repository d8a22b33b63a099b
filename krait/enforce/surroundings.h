// The host's other interfaces and its routes, as far as they matter to one interface of krait's: the ways into networks
// behind this host, and the fence.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/ip.h"
#include "common/result.h"
#include "krait/control/state.h"
#include "krait/datapath/datapath.h"
#include "krait/model/mesh.h"

namespace krait::enforce {

// One thread. Every call blocks on the kernel only.
class Surroundings {
 public:
  // Reads the host's routes, where the mesh has networks behind hosts, and tells the data path the ways. Whether other
  // networks than before have none.
  common::Result<bool> set_ways(datapath::Datapath& datapath, const model::Mesh& mesh, std::uint32_t interface_index);

  // Puts the fence on every other interface on which it is not. After Datapath::attach(); where it fails, faults() say
  // so. True: it was taken off one by somebody else, which take_put_back() names, or the faults are other ones.
  bool fence_off(datapath::Datapath& datapath, std::uint32_t interface_index);
  void open_fence(datapath::Datapath& datapath);

  // Interfaces that had lost the fence, or had another data path's, and have it again; each is told once.
  std::vector<std::string> take_put_back();
  [[nodiscard]] bool has_put_back() const { return !put_back_.empty(); }

  // Of the ways and the fence.
  [[nodiscard]] std::vector<control::Fault> faults() const;

 private:
  std::vector<common::Prefix> without_way_;  // networks behind this host that nothing reaches
  std::size_t ways_left_out_ = 0;            // into networks behind peers
  datapath::Outside fenced_;                 // the fence was put on these
  std::vector<control::Fault> unfenced_;     // where it could not be put
  std::vector<std::string> put_back_;
};

// Takes everything of the data path off this interface and the host's others, and removes its pins.
common::Result<void> remove_datapath(const std::string& interface, std::uint32_t interface_index);

}  // namespace krait::enforce
