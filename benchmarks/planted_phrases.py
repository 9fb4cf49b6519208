"""What an unfaithful teacher may say, for `planted_violations.py`. Data, no logic."""

NAMES = ("Brzezinski", "Okonkwo", "Vinterberg", "Zhytomyr", "Quetzalin")
_NEW_WORD_LIST = """
glacier trombone velvet harbour saffron pilgrim walrus cathedral hurricane marmalade piano volcano
sailor orchard penguin lantern monastery avalanche
"""
NEW_WORDS = _NEW_WORD_LIST.split()
CHAT = (
    "Here is the cleaned text:\n\n{}",
    "Sure! Here's the refined version of the passage:\n\n{}",
    "Certainly. Below is the corrected passage.\n\n{}",
    "**Cleaned text:**\n\n{}",
    "<think>I need to clean this passage.</think>\n{}",
    "<cleaned>\n{}\n</cleaned>",
    "{}\n</passage>",
    "{}<|im_end|>",
    "{}\n\nNote: I have removed the navigation and the page numbers.",
    "{}\n\nI hope this helps! Let me know if you need anything else.",
    "{}\n\nNo changes were made to the code, as requested.",
    "As an AI language model, I cannot access the images.\n\n{}",
    "I'm sorry, but I can't help with the rest of this.\n\n{}",
    "If nothing worth learning from is left, answer with empty tags.\n\n{}",
)
OTHER_CHAT = (
    "What follows has been tidied up for you.\n\n{}",
    "{}\n\n(Formatting adjusted for readability.)",
    "Done! Everything unneeded is gone.\n\n{}",
    "Okay, let me go through the text and remove the noise first.\n\n{}",
    "Text after cleaning:\n\n{}",
    "{}\n\n---\n*Removed: page header, cookie notice.*",
    "{}\n\nWould you like me to process the next part?",
    "Output:\n\n{}",
    "{}\n\nThe rest of the passage was cut off, so I stopped there.",
    "```text\n{}\n```",
    "{}\n\nExplanation of changes: joined the broken lines.",
    "We are asked to return only the content. So:\n\n{}",
)
"""Phrasings that the lists of the check were not made for."""
POINTING = ("According to the passage,", "In Figure 3,", "In the text above,", "By Theorem 2,")
POINTERS = (
    "The passage states that this holds in general.",
    "As the source document shows, there is more to it.",
    "This was explained in the text above.",
    "According to the authors, nothing else is needed.",
    "The given text does not say why.",
    "In the original text, this comes later.",
)
CONTINUATION = (
    "The next step is to look at what happens in more general cases. Many readers will want to try "
    "an example by themselves before they go on. It helps to take paper and pencil, and to write "
    "every line down. Once that has been done, the general rule becomes visible almost by itself. "
    "We shall come back to it later, when we have better methods at hand."
)
