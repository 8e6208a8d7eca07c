//! Who can receive mail here: imported and learned recipients.
