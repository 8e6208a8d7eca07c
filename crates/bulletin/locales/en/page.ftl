# The public page: headline, standings, sections, foot.

# Services: alone, with their article, with "of"
service-chat = Chat (Jabber)
service-mail = Email
service-names = Name service (DNS)
service-web = Website
subject-chat = the chat
subject-mail = the email service
subject-names = the name service
subject-web = the website
of-chat = of the chat
of-mail = of the email service
of-names = of the name service
of-web = of the website
list-and = { $first } and { $last }

# Headlines
headline-good = All services of { $name } are reachable
headline-dark = { $services } of { $name } { $count ->
        [one] is
       *[other] are
    } not reachable
headline-disturbed = { $services } of { $name } { $count ->
        [one] is
       *[other] are
    } disturbed
headline-kept-copy = The website of { $name } is down, a copy can be read
headline-kept-mail = The email service of { $name } is down, new email is kept
headline-kept-dark = { $services } of { $name } { $count ->
        [one] is down, a standby steps in
       *[other] are down, a standby steps in
    }
headline-kept = { $services } of { $name } { $count ->
        [one] runs on a standby
       *[other] run on a standby
    }
headline-returning = { $services } of { $name } { $count ->
        [one] is coming back
       *[other] are coming back
    }
headline-partial = { $services } of { $name } { $count ->
        [one] is not reachable from everywhere
       *[other] are not reachable from everywhere
    }
headline-blind = We cannot judge at the moment whether all of { $name } is reachable
headline-suspect = { $services } of { $name }: a disturbance is being checked
headline-unmeasured = { $services } of { $name } { $count ->
        [one] has not been measured yet
       *[other] have not been measured yet
    }
headline-nothing = There is no measurement of the services of { $name } yet

# Lead
lead-since = It has been so since { $since }.
lead-copy = Whoever opens the website now is reading a copy of { $when }.
lead-mail = Email to { $name } is accepted, kept and delivered later; nothing that was accepted is lost.
lead-kept-too = { $services } { $count ->
        [one] keeps running on a standby.
       *[other] keep running on a standby.
    }
lead-last = The last disturbance lasted from { $began } to { $ended }.
lead-observe = This standby only observes. It measures and says what it sees; it does not step in.

# The standing of a service
word-good = reachable
word-dark = not reachable
word-disturbed = disturbed
word-partial = not reachable from everywhere
word-kept-chat = reachable through the standby
word-kept-mail = accepted and delivered later
word-kept-names = answered by the standby
word-kept-web = reachable as a copy
word-supported = reachable with the standby’s help
word-returning = coming back
word-suspect = being checked
word-blind = cannot be judged at the moment
word-unmeasured = not measured yet
standing-since = since { $since }
standing-since-good = unchanged since { $since }
note-held = By a person’s decision, since { $since }.
note-question = A person has been asked how to go on.
note-mail-dark = Senders’ servers mostly try again and again for some days.
note-mail-returning = New email goes to the organisation’s own servers again; what was kept follows.
note-mail-supported = Email goes to the organisation’s own servers while they answer; what they do not take is kept and follows.
note-mail-handing-back = Email that was kept is being delivered now.
note-mail-waiting = Email that was kept still waits for its delivery; it is not lost.
note-would-acting = If it were allowed to act, the standby would take over now.
note-would-returning = If it were allowed to act, the standby would hand back now.
note-would-support = If it were allowed to act, the standby would help now.

# Sections
title-services = Standing of the services
title-measured = What was measured
title-said = What { $name } says
title-timeline = Course of the disturbance
title-timeline-ended = Course of the last disturbance
hint-measured = Only what our own measurement has seen stands here.
hint-said = The organisation’s own words, unchanged. The measurement does not verify them.
said-nothing = Nothing here so far.
said-updated = changed { $when }
said-reason = names the reason
said-language-de = in German
said-language-en = in English
said-more = Full text
said-all = All statements in full ({ $count })
statements-title = All statements of { $name }
statements-back = Back to the overview

# Foot
foot-changed = Last change: { $when }
foot-zone = All times: { $zone }.
foot-who = This page comes from a standby outside the servers of { $name }.
foot-imprint = Imprint
foot-feed = Atom feed
foot-json = Data (JSON)

# Time
zone-utc = Coordinated Universal Time (UTC)
month-1 = January
month-2 = February
month-3 = March
month-4 = April
month-5 = May
month-6 = June
month-7 = July
month-8 = August
month-9 = September
month-10 = October
month-11 = November
month-12 = December
moment-clock = { $clock }
moment-day = { $day } { $month } { $year }
moment-day-clock = { $day } { $month }, { $clock }
moment-full = { $day } { $month } { $year }, { $clock }
