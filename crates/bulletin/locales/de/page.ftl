# Die öffentliche Seite: Überschrift, Stand der Dienste, Abschnitte, Fuß.

# Dienste: allein, mit Artikel, im Genitiv
service-chat = Chat (Jabber)
service-mail = E-Mail
service-names = Namensdienst (DNS)
service-web = Website
subject-chat = der Chat
subject-mail = der E-Mail-Dienst
subject-names = der Namensdienst
subject-web = die Website
of-chat = des Chats
of-mail = des E-Mail-Dienstes
of-names = des Namensdienstes
of-web = der Website
list-and = { $first } und { $last }

# Überschriften
headline-good = Alle Dienste von { $name } sind erreichbar
headline-dark = { $services } von { $name } { $count ->
        [one] ist
       *[other] sind
    } nicht erreichbar
headline-disturbed = { $services } von { $name } { $count ->
        [one] ist
       *[other] sind
    } gestört
headline-kept-copy = Die Website von { $name } ist ausgefallen, eine Kopie ist zu lesen
headline-kept-mail = Der E-Mail-Dienst von { $name } ist ausgefallen, neue E-Mails werden aufbewahrt
headline-kept-dark = { $services } von { $name } { $count ->
        [one] ist ausgefallen, ein Ersatzserver springt ein
       *[other] sind ausgefallen, ein Ersatzserver springt ein
    }
headline-kept = { $services } von { $name } { $count ->
        [one] läuft über einen Ersatzserver
       *[other] laufen über einen Ersatzserver
    }
headline-returning = { $services } von { $name } { $count ->
        [one] kehrt zurück
       *[other] kehren zurück
    }
headline-partial = { $services } von { $name } { $count ->
        [one] ist nicht von überall erreichbar
       *[other] sind nicht von überall erreichbar
    }
headline-blind = Ob alles von { $name } erreichbar ist, können wir derzeit nicht beurteilen
headline-suspect = { $services } von { $name }: Eine Störung wird geprüft
headline-unmeasured = { $services } von { $name } { $count ->
        [one] ist noch nicht gemessen
       *[other] sind noch nicht gemessen
    }
headline-nothing = Über die Dienste von { $name } liegt noch keine Messung vor

# Vorspann
lead-since = So ist es seit dem { $since }.
lead-copy = Wer die Website jetzt öffnet, liest eine Kopie vom { $when }.
lead-mail = E-Mails an { $name } werden angenommen, aufbewahrt und später zugestellt; was angenommen ist, geht nicht verloren.
lead-kept-too = { $services } { $count ->
        [one] läuft weiter über einen Ersatzserver.
       *[other] laufen weiter über einen Ersatzserver.
    }
lead-last = Die letzte Störung dauerte vom { $began } bis zum { $ended }.
lead-observe = Diese Stelle beobachtet nur. Sie misst und sagt, was sie sieht; sie greift nicht ein.

# Stand eines Dienstes
word-good = erreichbar
word-dark = nicht erreichbar
word-disturbed = gestört
word-partial = nicht von überall erreichbar
word-kept-chat = erreichbar über den Ersatzserver
word-kept-mail = wird angenommen und später zugestellt
word-kept-names = beantwortet vom Ersatzserver
word-kept-web = als Kopie erreichbar
word-supported = erreichbar mit Hilfe des Ersatzservers
word-returning = kehrt zurück
word-suspect = wird geprüft
word-blind = derzeit nicht zu beurteilen
word-unmeasured = noch nicht gemessen
standing-since = seit dem { $since }
standing-since-good = unverändert seit dem { $since }
note-held = Durch Entscheidung eines Menschen, seit dem { $since }.
note-question = Ein Mensch ist gefragt, wie es weitergeht.
note-mail-dark = Die Server der Absender versuchen es meist einige Tage lang immer wieder.
note-mail-returning = Neue E-Mails gehen wieder an die eigenen Server; was aufbewahrt ist, folgt.
note-mail-supported = E-Mails gehen an die eigenen Server, solange sie antworten; was sie nicht annehmen, wird aufbewahrt und folgt.
note-mail-handing-back = E-Mails, die aufbewahrt waren, werden jetzt zugestellt.
note-mail-waiting = E-Mails, die aufbewahrt sind, warten noch auf die Zustellung; sie gehen nicht verloren.
note-would-acting = Dürfte er eingreifen, würde der Ersatzserver jetzt übernehmen.
note-would-returning = Dürfte er eingreifen, würde der Ersatzserver jetzt zurückgeben.
note-would-support = Dürfte er eingreifen, würde der Ersatzserver jetzt helfen.

# Abschnitte
title-services = Stand der Dienste
title-measured = Was gemessen wurde
title-said = Was { $name } sagt
title-timeline = Verlauf der Störung
title-timeline-ended = Verlauf der letzten Störung
hint-measured = Hier steht nur, was unsere Messung selbst gesehen hat.
hint-said = Eigene Angaben der Organisation, im Wortlaut. Die Messung prüft sie nicht.
said-nothing = Bisher nichts an dieser Stelle.
said-updated = geändert { $when }
said-reason = nennt den Grund
said-language-de = auf Deutsch
said-language-en = auf Englisch
said-more = Ganzer Wortlaut
said-all = Alle Angaben im Wortlaut ({ $count })
statements-title = Alle Angaben von { $name }
statements-back = Zurück zur Übersicht

# Fuß
foot-changed = Letzte Änderung: { $when }
foot-zone = Alle Zeiten: { $zone }.
foot-who = Diese Seite kommt von einem Ersatzserver außerhalb der Server von { $name }.
foot-imprint = Impressum
foot-feed = Atom-Feed
foot-json = Daten (JSON)

# Zeit
zone-utc = koordinierte Weltzeit (UTC)
month-1 = Januar
month-2 = Februar
month-3 = März
month-4 = April
month-5 = Mai
month-6 = Juni
month-7 = Juli
month-8 = August
month-9 = September
month-10 = Oktober
month-11 = November
month-12 = Dezember
moment-clock = { $clock }
moment-day = { $day }. { $month } { $year }
moment-day-clock = { $day }. { $month }, { $clock } Uhr
moment-full = { $day }. { $month } { $year }, { $clock } Uhr
