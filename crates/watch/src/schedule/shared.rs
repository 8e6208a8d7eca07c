//! One asks for all who ask the same address: 500 websites of one silent address are one question.
//!
//! Whoever begins a probe while nobody of its group connects leads. Who is due within a moment
//! after that follows: it waits until the leader is connected, and then asks for itself, for
//! everything further is about its own name. If nothing is heard of the address, that is true of
//! all of them, and the finding is shared; a burst's is shared with the whole group.

use std::time::Duration;

use model::{Mono, Purpose};

use super::{Kind, Next, ProbeId, Timetable, Timing};

/// Who is due so long after the leader began may follow it.
const JOIN: Duration = Duration::from_secs(1);

/// Those who ask the same address in the same way.
#[derive(Debug, Default)]
pub(super) struct Group {
    members: Vec<usize>,
    /// The last one that began to connect, while it does.
    leader: Option<ProbeId>,
}

/// A probe under way.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) target: usize,
    pub(super) purpose: Purpose,
    began: Mono,
    group: Option<usize>,
    followers: Vec<(usize, Kind)>,
}

/// The groups of all targets.
pub(super) fn groups(targets: &[Timing]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (target, timing) in targets.iter().enumerate() {
        let Some(group) = timing.group else { continue };
        if groups.len() <= group {
            groups.resize_with(group + 1, Group::default);
        }
        if let Some(group) = groups.get_mut(group) {
            group.members.push(target);
        }
    }
    groups
}

impl Timetable {
    /// Whom this target may follow now.
    pub(super) fn leader(&self, now: Mono, target: usize) -> Option<ProbeId> {
        let group = self.entries.get(target)?.timing.group?;
        let leader = self.groups.get(group)?.leader?;
        let asked = self.asked.get(&leader)?;
        (asked.target != target && now.since(asked.began) <= JOIN).then_some(leader)
    }

    pub(super) fn follow(&mut self, leader: ProbeId, target: usize, kind: Kind) {
        if let Some(asked) = self.asked.get_mut(&leader) {
            asked.followers.push((target, kind));
        }
    }

    /// A probe begins, and leads those of its group that wait for a place.
    pub(super) fn lead(&mut self, now: Mono, probe: ProbeId, target: usize, purpose: Purpose) {
        let group = self
            .entries
            .get(target)
            .and_then(|entry| entry.timing.group);
        let mut followers = Vec::new();
        if let Some(group) = group.and_then(|group| self.groups.get_mut(group)) {
            group.leader = Some(probe);
            for member in group.members.iter().filter(|member| **member != target) {
                let Some(entry) = self.entries.get_mut(*member) else {
                    continue;
                };
                let kind = if let Next::Waiting(at) = entry.burst.next {
                    self.waiting_bursts.remove(&(at, *member));
                    entry.burst.next = Next::Following;
                    Kind::Burst
                } else if let Some(at) = entry.slot.take_if(|_| entry.running == 0) {
                    self.waiting_slots.remove(&(at, *member));
                    Kind::Slot
                } else {
                    continue;
                };
                entry.running = entry.running.saturating_add(1);
                followers.push((*member, kind));
            }
        }
        let asked = Asked {
            target,
            purpose,
            began: now,
            group,
            followers,
        };
        self.asked.insert(probe, asked);
    }

    /// The address has answered this probe: who followed asks for itself now.
    pub(crate) fn connected(&mut self, now: Mono, probe: ProbeId) {
        let Some(asked) = self.asked.get_mut(&probe) else {
            return;
        };
        let group = asked.group.take();
        let followers = std::mem::take(&mut asked.followers);
        self.leads_no_more(group, probe);
        self.ask_themselves(now, followers);
    }

    /// Nothing is known of the address by this probe: who followed asks for itself.
    pub(super) fn release(&mut self, now: Mono, probe: ProbeId, asked: Asked) {
        self.leads_no_more(asked.group, probe);
        self.ask_themselves(now, asked.followers);
    }

    fn leads_no_more(&mut self, group: Option<usize>, probe: ProbeId) {
        if let Some(group) = group.and_then(|group| self.groups.get_mut(group)) {
            group.leader.take_if(|leader| *leader == probe);
        }
    }

    fn ask_themselves(&mut self, now: Mono, followers: Vec<(usize, Kind)>) {
        for (target, kind) in followers {
            let Some(entry) = self.entries.get_mut(target) else {
                continue;
            };
            entry.running = entry.running.saturating_sub(1);
            match kind {
                Kind::Burst => {
                    entry.burst.next = Next::Waiting(now);
                    self.waiting_bursts.insert((now, target));
                }
                Kind::Slot => {
                    entry.slot = Some(now);
                    self.waiting_slots.insert((now, target));
                }
            }
        }
    }

    /// Nothing was heard of the address: for whom that is a finding too.
    pub(super) fn share(&mut self, probe: ProbeId, asked: Asked) -> Vec<(usize, Purpose)> {
        self.leads_no_more(asked.group, probe);
        let mut shared = Vec::new();
        for (target, kind) in asked.followers {
            let Some(entry) = self.entries.get_mut(target) else {
                continue;
            };
            entry.running = entry.running.saturating_sub(1);
            entry.shared = Some(asked.began);
            match kind {
                Kind::Burst => {
                    shared.push((target, Purpose::Burst(entry.burst.number)));
                    self.burst_began(asked.began, target);
                }
                Kind::Slot => shared.push((target, Purpose::Scheduled)),
            }
        }
        let group = asked.group.and_then(|group| self.groups.get(group));
        let (Some(group), Purpose::Burst(_)) = (group, asked.purpose) else {
            return shared;
        };
        for member in &group.members {
            let Some(entry) = self.entries.get_mut(*member) else {
                continue;
            };
            // Who is asked or in a burst of its own hears of it by that.
            let idle = entry.running == 0 && entry.burst.next == Next::None;
            if *member != asked.target && idle && entry.shared != Some(asked.began) {
                entry.shared = Some(asked.began);
                shared.push((*member, Purpose::Scheduled));
            }
        }
        shared
    }
}
