import { XDP_MD } from '../../helpers/index.ts';
import type { ConvertAccess } from '../contract.ts';
import { at, converter, read, through } from './rows.ts';

/** Source: `net/core/filter.c: xdp_convert_ctx_access`. */
export const convertXdp: ConvertAccess = converter([
  at(XDP_MD.data, read('xdp_buff', 'data')),
  at(XDP_MD.data_meta, read('xdp_buff', 'data_meta')),
  at(XDP_MD.data_end, read('xdp_buff', 'data_end')),
  at(
    XDP_MD.ingress_ifindex,
    through([
      ['xdp_buff', 'rxq'],
      ['xdp_rxq_info', 'dev'],
      ['net_device', 'ifindex'],
    ]),
  ),
  at(
    XDP_MD.rx_queue_index,
    through([
      ['xdp_buff', 'rxq'],
      ['xdp_rxq_info', 'queue_index'],
    ]),
  ),
  at(
    XDP_MD.egress_ifindex,
    through([
      ['xdp_buff', 'txq'],
      ['xdp_txq_info', 'dev'],
      ['net_device', 'ifindex'],
    ]),
  ),
]);
