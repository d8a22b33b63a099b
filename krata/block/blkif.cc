#include "krata/block/blkif.h"

#include <sys/types.h>
#include <xen/io/blkif.h>
#include <xen/xen.h>

#include <cstddef>

namespace krata::block {

static_assert(kMaxSegments == BLKIF_MAX_SEGMENTS_PER_REQUEST);
static_assert(static_cast<int>(Operation::read) == BLKIF_OP_READ);
static_assert(static_cast<int>(Operation::write) == BLKIF_OP_WRITE);
static_assert(static_cast<int>(Operation::barrier) == BLKIF_OP_WRITE_BARRIER);
static_assert(static_cast<int>(Operation::flush) == BLKIF_OP_FLUSH_DISKCACHE);
static_assert(static_cast<int>(Operation::discard) == BLKIF_OP_DISCARD);
static_assert(static_cast<int>(Operation::indirect) == BLKIF_OP_INDIRECT);
static_assert(static_cast<int>(Status::ok) == BLKIF_RSP_OKAY);
static_assert(static_cast<int>(Status::error) == BLKIF_RSP_ERROR);
static_assert(static_cast<int>(Status::unsupported) == BLKIF_RSP_EOPNOTSUPP);

static_assert(sizeof(Segment) == sizeof(blkif_request_segment));
static_assert(offsetof(Segment, first_sector) == offsetof(blkif_request_segment, first_sect));
static_assert(offsetof(Segment, last_sector) == offsetof(blkif_request_segment, last_sect));
static_assert(sizeof(RawRequest) == sizeof(blkif_request));
static_assert(offsetof(RawRequest, segments) == offsetof(blkif_request, nr_segments));
static_assert(offsetof(RawRequest, id) == offsetof(blkif_request, id));
static_assert(offsetof(RawRequest, sector) == offsetof(blkif_request, sector_number));
static_assert(offsetof(RawRequest, segment) == offsetof(blkif_request, seg));
static_assert(offsetof(RawIndirect, meant) == offsetof(blkif_request_indirect, indirect_op));
static_assert(offsetof(RawIndirect, segments) == offsetof(blkif_request_indirect, nr_segments));
static_assert(offsetof(RawIndirect, id) == offsetof(blkif_request_indirect, id));
static_assert(offsetof(RawIndirect, sector) == offsetof(blkif_request_indirect, sector_number));
static_assert(offsetof(RawIndirect, grant) == offsetof(blkif_request_indirect, indirect_grefs));
static_assert(offsetof(RawDiscard, flags) == offsetof(blkif_request_discard, flag));
static_assert(offsetof(RawDiscard, sector) == offsetof(blkif_request_discard, sector_number));
static_assert(offsetof(RawDiscard, sectors) == offsetof(blkif_request_discard, nr_sectors));
static_assert(sizeof(RawResponse) == sizeof(blkif_response));
static_assert(offsetof(RawResponse, operation) == offsetof(blkif_response, operation));
static_assert(offsetof(RawResponse, status) == offsetof(blkif_response, status));

static_assert(kRequestsProduced == offsetof(blkif_sring, req_prod));
static_assert(kRequestEvent == offsetof(blkif_sring, req_event));
static_assert(kResponsesProduced == offsetof(blkif_sring, rsp_prod));
static_assert(kResponseEvent == offsetof(blkif_sring, rsp_event));
static_assert(kRingHeaderBytes == offsetof(blkif_sring, ring));
static_assert(kSlotBytes == sizeof(blkif_sring_entry));
static_assert(slots_in(4096) == 32 && slots_in(8192) == 64 && slots_in(16384) == 128);

}  // namespace krata::block
