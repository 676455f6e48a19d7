"""Commands carried out on another machine, by the OpenSSH client; nothing of them is left there."""
