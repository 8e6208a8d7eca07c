# Was gemessen wurde. Jeder Satz entsteht aus einem Befund der Messung, nie aus einer Angabe.

from = { $voting ->
        [0] derzeit misst kein Ort
        [1] gemessen von { $seen } von 1 Ort aus
       *[other] gemessen von { $seen } von { $voting } Orten aus
    }
measured-good-web = { $subject } antwortet, wie sie soll; { $from }.
measured-good-names = Der Namensdienst antwortet, wie er soll; { $from }.
measured-good-mail = Der E-Mail-Dienst antwortet, wie er soll; { $from }.
measured-good-chat = Der Chat antwortet, wie er soll; { $from }.
measured-suspect = { $subject } hat zuletzt nicht geantwortet, wie es sein soll ({ $since }); das wird gerade nachgemessen.
measured-below-quorum = Einzelne Orte erreichen { $object } seit dem { $since } nicht, die Mehrheit schon; { $from }.
measured-blind = Unsere Messorte haben seit dem { $since } selbst keine Verbindung; wir können derzeit nicht beurteilen, ob { $subject } erreichbar ist.
measured-not-measured = Seit dem { $since } wurde nicht gemessen, ob { $subject } erreichbar ist.
measured-nothing = Über { $object } liegt noch keine Messung vor.
measured-application = { $subject } antwortet seit dem { $since }, aber mit Fehlern; { $from }.
measured-block = { $subject } ist seit dem { $since } aus manchen Netzen oder Ländern erreichbar und aus anderen nicht; { $from }.
measured-denied = { $subject } antwortet seit dem { $since } mit „Zugriff verweigert“; { $from }.
measured-dns-data = Die Namensserver geben seit dem { $since } falsche Antworten; { $from }.
measured-dns-delegation = Seit dem { $since } sind in der übergeordneten Zone andere Namensserver eingetragen als zuvor; { $from }.
measured-dns-server = Die Namensserver antworten seit dem { $since } nicht; { $from }.
measured-foreign-certificate = { $subject } weist sich seit dem { $since } mit einem anderen Schlüssel aus als zuvor; { $from }.
measured-holding-page = Unter dem Namen { $of } erscheint seit dem { $since } eine andere Seite als sonst; { $from }.
measured-host = Die Maschine { $of } ist seit dem { $since } nicht am Netz, während ihre Nachbarn antworten; { $from }.
measured-network = Das ganze Netz um die Maschine { $of } antwortet seit dem { $since } nicht; { $from }.
measured-overload = { $subject } bewältigt seit dem { $since } die Anfragen nicht; { $from }.
measured-path = { $subject } ist seit dem { $since } von manchen Orten erreichbar und von anderen nicht; { $from }.
measured-service = Die Maschine antwortet, { $subject } auf ihr seit dem { $since } nicht; { $from }.
measured-silent = Die Adresse { $of } antwortet seit dem { $since } nicht; { $from }.
measured-tls = Eine gesicherte Verbindung (TLS) zu { $dative } kommt seit dem { $since } nicht zustande; { $from }.
measured-unknown = { $subject } ist seit dem { $since } nicht erreichbar, wie es sein soll; { $from }.
measured-unstable = { $subject } fällt seit dem { $since } immer wieder aus und antwortet wieder; { $from }.
object-chat = den Chat
object-mail = den E-Mail-Dienst
object-names = den Namensdienst
object-web = die Website
dative-chat = dem Chat
dative-mail = dem E-Mail-Dienst
dative-names = dem Namensdienst
dative-web = der Website
measured-last-good = Letzte gute Antwort: { $when }.
reason-unknown = Der Grund ist nicht bekannt.
reason-said = Die Messung zeigt den Grund nicht. { $name } nennt ihn in den eigenen Angaben.
