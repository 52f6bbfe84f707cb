//! Channels as operators write them.

use std::collections::BTreeMap;

use chassis::Problem;
use schema::{CHANNELS_MAX, Channel, ChannelFault, ChannelRow, EventId, PlanIndex};
use serde::Deserialize;
use utoipa::ToSchema;

use super::event_body::{time, title};
use crate::channels::Code;
use crate::places::Named;
use crate::problems;

/// Seats that only those take who know the code, until the channel ends.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelInput {
    /// Names the channel in its event: 1 to 16 of letters, digits, space, dot and underscore.
    #[schema(example = "FRIENDS")]
    key: String,
    name: String,
    /// 4 to 64 bytes; shown nowhere. Without one the channel that the event has under this key
    /// keeps its code.
    #[schema(value_type = Option<String>)]
    code: Option<Code>,
    /// RFC 3339: from then on its seats are everybody's. Without, as long as the channel is listed.
    ends_at: Option<String>,
    /// A seat is in one channel at most.
    places: Vec<ChannelPlaces>,
}

/// `seats`, or a `section`, or a `row` of it, or its seats `from`, `to`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelPlaces {
    seats: Option<Vec<String>>,
    section: Option<String>,
    row: Option<String>,
    /// Seat numbers, both included; without them the whole row, and without a row the whole
    /// section.
    from: Option<u16>,
    to: Option<u16>,
    /// Refused: standing places have no channels.
    area_id: Option<String>,
}

/// Makes the channels of an event that has had those of `known`, which stay when nothing is said.
pub(super) fn channels(
    inputs: Option<Vec<ChannelInput>>,
    event: &EventId,
    plan: &PlanIndex,
    known: &[Channel],
) -> Result<Vec<Channel>, Problem> {
    let channel = |input: ChannelInput| input.channel(event, plan, known);
    let channels: Vec<Channel> = match inputs {
        None => known.to_vec(),
        Some(inputs) if CHANNELS_MAX < inputs.len() => {
            return Err(faulty(&ChannelFault::TooMany));
        }
        Some(inputs) => inputs.into_iter().map(channel).collect::<Result<_, _>>()?,
    };
    Channel::check_all(&channels, plan).map_err(|fault| faulty(&fault))?;
    Ok(channels)
}

impl ChannelInput {
    fn channel(
        self,
        event: &EventId,
        plan: &PlanIndex,
        known: &[Channel],
    ) -> Result<Channel, Problem> {
        let code_hash = match &self.code {
            Some(code) if code.is_well_formed() => code.hash(event),
            Some(_) => return Err(problems::invalid("the code of a channel is 4 to 64 bytes")),
            None => {
                let known = known.iter().find(|known| known.key == self.key.as_str());
                let lack = || problems::invalid(format!("channel {:?} needs a code", self.key));
                known.ok_or_else(lack)?.code_hash
            }
        };
        let mut rows: BTreeMap<usize, u64> = BTreeMap::new();
        for places in &self.places {
            places.add_to(&mut rows, plan)?;
        }
        let row = |(at, seats): (usize, u64)| {
            let span = plan.rows()[at];
            ChannelRow { section: span.section, row: span.row, seats }
        };
        Ok(Channel {
            name: title("the name of a channel", &self.name)?,
            code_hash,
            ends_at: time("endsAt", self.ends_at.as_deref())?,
            rows: rows.into_iter().map(row).collect(),
            key: self.key.into(),
        })
    }
}

impl ChannelPlaces {
    fn add_to(&self, rows: &mut BTreeMap<usize, u64>, plan: &PlanIndex) -> Result<(), Problem> {
        let title = "These places cannot have a channel";
        if self.area_id.is_some() {
            let detail = "a channel keeps seats; standing places can be allotted or taken out";
            return Err(Problem::new(422, "CHANNEL_AREA_UNSUPPORTED", title, detail));
        }
        let named = Named {
            seats: self.seats.as_deref(),
            section: self.section.as_deref(),
            row: self.row.as_deref(),
            from: self.from,
            to: self.to,
            ..Named::default()
        };
        let places = named.resolve(plan).map_err(|code| Problem::new(422, code, title, code))?;
        for seat in places.seats {
            let at = plan.row_of(seat).expect("places are in the plan");
            let bit = 1 << (seat.0 - plan.rows()[at].first.0);
            let bits = rows.entry(at).or_insert(0);
            if *bits & bit != 0 {
                return Err(problems::invalid("a channel names a seat twice"));
            }
            *bits |= bit;
        }
        Ok(())
    }
}

fn faulty(fault: &ChannelFault) -> Problem {
    Problem::new(422, fault.code(), "These channels do not fit the event", fault.to_string())
}
