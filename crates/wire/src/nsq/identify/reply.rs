//! The answer to IDENTIFY: `OK`, or JSON.
//!
//! Some clients depend on the presence and type of every key; the order is nsqd's.

use super::{Settlement, Terms};
use crate::nsq::frame::OK;
use crate::nsq::go::{write, write_json_string};

impl Settlement {
    /// Appends the data of the response frame.
    pub fn write_reply(&self, terms: &Terms, out: &mut Vec<u8>) {
        let Some(upgrades) = self.upgrades else {
            out.extend_from_slice(OK);
            return;
        };
        write(out, format_args!("{{\"max_rdy_count\":{},\"version\":", terms.ready_max));
        write_json_string(out, &terms.version);
        write(out, format_args!(",\"max_msg_timeout\":{}", terms.msg_timeout_ms_max));
        write(out, format_args!(",\"msg_timeout\":{}", self.settings.msg_timeout_ms));
        write(out, format_args!(",\"tls_v1\":{},\"deflate\":{}", upgrades.tls, upgrades.deflate));
        write(out, format_args!(",\"deflate_level\":{}", upgrades.deflate_level));
        write(out, format_args!(",\"max_deflate_level\":{}", terms.deflate_level_max));
        write(out, format_args!(",\"snappy\":{}", upgrades.snappy));
        write(out, format_args!(",\"sample_rate\":{}", self.settings.sample_rate));
        write(out, format_args!(",\"auth_required\":{}", terms.auth_required));
        write(out, format_args!(",\"output_buffer_size\":{}", self.settings.output_buffer_bytes));
        let timeout = self.settings.output_buffer_ms.unwrap_or(0);
        write(out, format_args!(",\"output_buffer_timeout\":{timeout},\"topology_region\":"));
        write_json_string(out, &terms.topology_region);
        out.extend_from_slice(b",\"topology_zone\":");
        write_json_string(out, &terms.topology_zone);
        out.push(b'}');
    }
}
