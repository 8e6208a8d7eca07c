# Der Verlauf: Gemessenes und Getanes, nie Angaben.

event-began = { $service }: Die Störung beginnt.
event-cause-application = { $service }: Es kommen Antworten, aber nicht, wie es sein soll.
event-cause-below-quorum = { $service }: Nur manche Orte sehen die Störung.
event-cause-block = { $service }: Aus manchen Netzen oder Ländern erreichbar, aus anderen nicht.
event-cause-denied = { $service }: Die Antwort lautet „Zugriff verweigert“; der Grund ist nicht bekannt.
event-cause-dns-data = { $service }: Die Namensserver geben falsche Antworten.
event-cause-dns-delegation = { $service }: In der übergeordneten Zone stehen andere Namensserver als zuvor.
event-cause-dns-server = { $service }: Die Namensserver antworten nicht, wie es sein soll.
event-cause-foreign-certificate = { $service }: Die Antwort kommt mit einem Zertifikat für einen anderen Namen oder mit einem anderen Schlüssel als dem bekannten.
event-cause-holding-page = { $service }: Es erscheint eine andere Seite als sonst.
event-cause-host = { $service }: Ein Router meldet die Maschine als nicht erreichbar, ihre Nachbarn antworten.
event-cause-network = { $service }: Adresse, Nachbarn und Router schweigen.
event-cause-not-measured = { $service }: nicht gemessen.
event-cause-observer = { $service }: Unsere Messorte haben selbst keine Verbindung.
event-cause-overload = { $service }: Anfragen werden vorläufig abgewiesen.
event-cause-path = { $service }: Von manchen Orten erreichbar, von anderen nicht.
event-cause-service = { $service }: Die Adresse antwortet, der Dienst dort nicht.
event-cause-silent = { $service }: Die Adresse antwortet nicht.
event-cause-tls = { $service }: Eine gesicherte Verbindung, der zu trauen ist, kommt nicht zustande.
event-cause-unknown = { $service }: Nicht erreichbar, wie es sein soll.
event-cause-unstable = { $service }: Fällt immer wieder aus und antwortet wieder.
event-answers = { $service }: Die eigenen Server antworten wieder.
event-took-over = { $service }: Der Ersatzserver übernimmt.
event-took-over-mail = { $service }: Der Ersatzserver nimmt E-Mails an und bewahrt sie auf.
event-supports = { $service }: Der Ersatzserver stellt sich davor; die eigenen Server werden zuerst gefragt, und er hilft, wo sie ausfallen.
event-supports-mail = { $service }: Der Ersatzserver reicht E-Mails weiter und bewahrt auf, was die eigenen Server nicht annehmen.
event-returning-mail = { $service }: Neue E-Mails gehen wieder an die eigenen Server.
event-returning = { $service }: Der Ersatzserver gibt Anfragen an die eigenen Server zurück.
event-stood-down = { $service }: Die eigenen Server haben wieder übernommen.
event-would-acting = { $service }: Der Ersatzserver hätte übernommen, beobachtet aber nur.
event-would-support = { $service }: Der Ersatzserver hätte geholfen, beobachtet aber nur.
event-would-returning = { $service }: Der Ersatzserver hätte zurückgegeben, beobachtet aber nur.
event-would-standby = { $service }: Der Ersatzserver wäre zurückgetreten, beobachtet aber nur.
event-asked-take-over = { $service }: Ein Mensch wird gefragt, ob der Ersatzserver übernehmen soll.
event-asked-hand-back = { $service }: Ein Mensch wird gefragt, ob die Zustellung weitergehen soll, denn die eigenen Server weisen Aufbewahrtes ab. Nichts geht verloren.
event-asked-return = { $service }: Ein Mensch wird gefragt, ob die eigenen Server wieder übernehmen sollen.
event-handed-back = { $service }: Alles Aufbewahrte ist zugestellt.
event-answered-yes = { $service }: Die Antwort lautet ja.
event-answered-no = { $service }: Die Antwort lautet nein.
event-ordered-failover = { $service }: Ein Mensch ordnet an, dass der Ersatzserver übernimmt.
event-ordered-failback = { $service }: Ein Mensch ordnet an, dass der Ersatzserver zurücktritt.
event-ordered-hold = { $service }: Ein Mensch ordnet an, dass alles bleibt, wie es ist.
event-ordered-auto = { $service }: Es wird wieder nach Messung entschieden.
event-ended = { $service }: Die Störung ist beendet.
kind-measured = gemessen
kind-done = veranlasst
timeline-omitted = { $count ->
        [one] Ein weiterer Eintrag ist hier ausgelassen.
       *[other] { $count } weitere Einträge sind hier ausgelassen.
    }
