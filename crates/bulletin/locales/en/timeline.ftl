# The course: what was measured and what was done, never statements.

event-began = { $service }: the disturbance begins.
event-cause-application = { $service }: answers come, but not as they should.
event-cause-below-quorum = { $service }: only some places see the disturbance.
event-cause-block = { $service }: reachable from some networks or countries, not from others.
event-cause-denied = { $service }: the answer is “access denied”; the reason is not known.
event-cause-dns-data = { $service }: the name servers give wrong answers.
event-cause-dns-delegation = { $service }: the parent zone lists other name servers than before.
event-cause-dns-server = { $service }: the name servers do not answer as they should.
event-cause-foreign-certificate = { $service }: the answer comes with a certificate for another name, or with a key that is not the known one.
event-cause-holding-page = { $service }: another page than usual appears.
event-cause-host = { $service }: a router reports the machine unreachable, its neighbours answer.
event-cause-network = { $service }: address, neighbours and routers are silent.
event-cause-not-measured = { $service }: not measured.
event-cause-observer = { $service }: our places of measurement have no connection themselves.
event-cause-overload = { $service }: requests are turned away for the time being.
event-cause-path = { $service }: reachable from some places, not from others.
event-cause-service = { $service }: the address answers, the service there does not.
event-cause-silent = { $service }: the address does not answer.
event-cause-tls = { $service }: a secure connection that can be trusted is not possible.
event-cause-unknown = { $service }: not reachable as it should be.
event-cause-unstable = { $service }: fails and answers in turn.
event-answers = { $service }: the organisation’s own servers answer again.
event-took-over = { $service }: the standby takes over.
event-took-over-mail = { $service }: the standby accepts email and keeps it.
event-supports = { $service }: the standby stands in front; the organisation’s own servers are asked first, and it helps where they fail.
event-supports-mail = { $service }: the standby passes email on, and keeps what the organisation’s own servers do not take.
event-returning-mail = { $service }: new email goes to the organisation’s own servers again.
event-returning = { $service }: the standby passes requests back to the organisation’s own servers.
event-stood-down = { $service }: the organisation’s own servers have taken over again.
event-would-acting = { $service }: the standby would have taken over, but only observes.
event-would-support = { $service }: the standby would have stepped in to help, but only observes.
event-would-returning = { $service }: the standby would have begun to hand back, but only observes.
event-would-standby = { $service }: the standby would have stood down, but only observes.
event-asked-take-over = { $service }: a person is asked whether the standby shall take over.
event-asked-hand-back = { $service }: a person is asked whether the delivery shall go on, since the organisation’s own servers refuse what was kept. Nothing is lost.
event-asked-return = { $service }: a person is asked whether the organisation’s own servers shall take over again.
event-handed-back = { $service }: all that was kept is delivered.
event-answered-yes = { $service }: the answer is yes.
event-answered-no = { $service }: the answer is no.
event-ordered-failover = { $service }: a person orders the standby to take over.
event-ordered-failback = { $service }: a person orders the standby to stand down.
event-ordered-hold = { $service }: a person orders that everything stays as it is.
event-ordered-auto = { $service }: decisions follow the measurement again.
event-ended = { $service }: the disturbance has ended.
kind-measured = measured
kind-done = done
timeline-omitted = { $count ->
        [one] One more entry is left out here.
       *[other] { $count } more entries are left out here.
    }
