//! What `market` clients are shown: chats and messages.
