// What the compiled programs ask of a kernel: nothing newer than 5.11, and few enough instructions to verify.
#include "krait/datapath/program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <memory>
#include <set>
#include <span>
#include <string>

#include "krait/bpf/objects.h"

namespace krait::datapath {
namespace {

// include/uapi/linux/bpf.h of 5.11: the last helper is bpf_sock_from_file.
constexpr int kLastHelper = 162;
constexpr std::uint32_t kMaxVerified = 200'000;  // of the kernel's million

// What each kernel's verifier counted when somebody last looked; see verified_instructions.inc.
struct Verified {
  const char* kernel;  // the beginning of its release
  const char* program;
  std::uint32_t instructions;
};
constexpr Verified kGolden[] = {
#include "krait/datapath/verified_instructions.inc"
};

// A tenth more than that is worth a look before it is written down.
std::uint32_t max_for(const std::string& release, const std::string& program) {
  for (const Verified& verified : kGolden) {
    if (release.starts_with(std::string(verified.kernel) + ".") && program == verified.program) {
      return verified.instructions + verified.instructions / 10;
    }
  }
  return kMaxVerified;  // a kernel that nobody has measured
}

struct Close {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};

std::unique_ptr<bpf_object, Close> open_elf(std::span<const unsigned char> elf) {
  return std::unique_ptr<bpf_object, Close>(bpf_object__open_mem(elf.data(), elf.size(), nullptr));
}

std::set<int> helpers_of(bpf_object* object) {
  std::set<int> helpers;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    const std::span<const bpf_insn> instructions(bpf_program__insns(program), bpf_program__insn_cnt(program));
    for (const bpf_insn& instruction : instructions) {
      if (instruction.code == (BPF_JMP | BPF_CALL) && instruction.src_reg == 0) {
        helpers.insert(instruction.imm);
      }
    }
  }
  return helpers;
}

// An atomic that returns the old value, or exchanges: 5.12.
int newer_atomics(bpf_object* object) {
  int count = 0;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    const std::span<const bpf_insn> instructions(bpf_program__insns(program), bpf_program__insn_cnt(program));
    for (const bpf_insn& instruction : instructions) {
      const bool atomic = (instruction.code & 0xe7) == (BPF_STX | 0xc0);
      count += atomic && instruction.imm != 0 ? 1 : 0;
    }
  }
  return count;
}

TEST(Program, NeedsNothingNewerThanLinux511) {
  const std::set<bpf_map_type> known{BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_PERCPU_ARRAY, BPF_MAP_TYPE_LRU_HASH,
                                     BPF_MAP_TYPE_LPM_TRIE, BPF_MAP_TYPE_RINGBUF};
  for (const std::span<const unsigned char> elf :
       {std::span(krait_bpf_object, krait_bpf_object_end), std::span(krait_guard_object, krait_guard_object_end)}) {
    const auto object = open_elf(elf);
    ASSERT_NE(object, nullptr);
    for (const int helper : helpers_of(object.get())) {
      EXPECT_LE(helper, kLastHelper);
    }
    EXPECT_EQ(newer_atomics(object.get()), 0);
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object.get()) {
      EXPECT_TRUE(known.contains(bpf_map__type(map))) << bpf_map__name(map);
    }
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object.get()) {
      EXPECT_EQ(bpf_program__type(program), BPF_PROG_TYPE_SCHED_CLS) << bpf_program__name(program);
    }
  }
  EXPECT_TRUE(helpers_of(open_elf({krait_bpf_object, krait_bpf_object_end}).get()).contains(BPF_FUNC_map_lookup_elem))
      << "the test sees calls at all";
}

TEST(Program, VerifiesWithinItsBudget) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "skipped: loading BPF programs needs root";
  }
  utsname kernel{};
  ::uname(&kernel);
  for (const Framing framing : {Framing::network, Framing::ethernet}) {
    auto object = open_krait_object(framing);
    ASSERT_TRUE(object) << object.error().text();
    const auto loaded = object->load();
    ASSERT_TRUE(loaded) << loaded.error().text();
    for (const char* name :
         {"krait_ingress", "krait_egress", "krait_fence", "krait_port", "krait_in_eth", "krait_out_eth"}) {
      bpf_prog_info info{};
      std::uint32_t bytes = sizeof(info);
      if (bpf_obj_get_info_by_fd(object->program_fd(name), &info, &bytes) != 0) {
        continue;  // of the other framing
      }
      std::cout << "verified on " << kernel.release << ": " << name << " " << info.verified_insns << " instructions\n";
      EXPECT_LT(info.verified_insns, kMaxVerified);
      EXPECT_LE(info.verified_insns, max_for(kernel.release, name))
          << "if that is what it has to be, write it into krait/datapath/verified_instructions.inc";
    }
  }
}

}  // namespace
}  // namespace krait::datapath
