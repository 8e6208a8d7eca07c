# What was measured. Each sentence is made from a finding of the measurement, never from a statement.

from = { $voting ->
        [0] no place is measuring at the moment
        [1] measured from { $seen } of 1 place
       *[other] measured from { $seen } of { $voting } places
    }
measured-good-web = { $subject } answers as it should; { $from }.
measured-good-names = The name service answers as it should; { $from }.
measured-good-mail = The email service answers as it should; { $from }.
measured-good-chat = The chat answers as it should; { $from }.
measured-suspect = { $subject } did not answer as it should ({ $since }); this is being measured again.
measured-below-quorum = Some places have not reached { $object } since { $since }, others have; { $from }.
measured-blind = Our places of measurement have had no connection themselves since { $since }; we cannot judge at the moment whether { $subject } is reachable.
measured-not-measured = Since { $since } it has not been measured whether { $subject } is reachable.
measured-nothing = There is no measurement of { $object } yet.
measured-application = { $subject } has answered since { $since }, but { $code ->
        [0] not as it should
       *[other] with an error ({ $code })
    }; { $from }.
measured-block = { $subject } has been reachable from some networks or countries and not from others since { $since }; { $from }.
measured-denied = { $subject } has answered { $code ->
        [0] “access denied”
        [402] “payment required” (402)
        [410] “gone” (410)
       *[other] “access denied” ({ $code })
    } since { $since }; { $from }.
measured-dns-data = The name servers have given wrong answers since { $since }; { $from }.
measured-dns-delegation = The parent zone has listed other name servers than before since { $since }; { $from }.
measured-dns-server = The name servers have not answered since { $since }; { $from }.
measured-foreign-certificate = { $subject } has identified itself with another key than before since { $since }; { $from }.
measured-holding-page = Under the name { $of } another page than usual has appeared since { $since }; { $from }.
measured-host = A router has reported the machine { $of } unreachable since { $since }, while its neighbours answer; { $from }.
measured-network = The address { $of }, its neighbours and the routers before it have been silent since { $since }; { $from }.
measured-overload = { $subject } has turned requests away for the time being{ $code ->
        [0] {""}
       *[other] {" "}({ $code })
    } since { $since }; { $from }.
measured-path = { $subject } has been reachable from some places and not from others since { $since }; { $from }.
measured-service = The address answers, but { $subject } there has not since { $since }; { $from }.
measured-silent = The address { $of } has not answered since { $since }; { $from }.
measured-tls = A secure connection (TLS) to { $dative } has not been possible since { $since }; { $from }.
measured-alone = { $subject } has not answered as it should since { $since }; only one place measures it, and alone it does not judge.
measured-dns-server-wrong = The name servers have answered since { $since }, but not as they should; { $from }.
measured-foreign-name = { $subject } has identified itself with a certificate for another name since { $since }; { $from }.
measured-tls-certificate = { $subject } has identified itself with a certificate that cannot be confirmed as valid since { $since }; { $from }.
measured-unknown = { $subject } has not been reachable as it should be since { $since }; { $from }.
measured-unstable = { $subject } has failed and answered in turn since { $since }; { $from }.
object-chat = the chat
object-mail = the email service
object-names = the name service
object-web = the website
dative-chat = the chat
dative-mail = the email service
dative-names = the name service
dative-web = the website
measured-last-good = Last good answer: { $when }.
reason-unknown = The reason is not known.
reason-said = The measurement does not show the reason. { $name } names it in its own words.
