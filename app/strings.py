"""All English of the app, one section a module."""

# page, ui
FORGOTTEN = "This answer has been forgotten by now: please ask again."
TITLE = "CEFNet: masks from words"
HEADER = """<h1>CEFNet</h1><p>Name something in a photo, in your own words. Two networks, which differ in how they bring
words and picture together, outline what you mean and show why.</p>"""
NOT_INSTALLED = "Not installed here: {names}. The rest works."
EXPLAIN_MODEL = "Look into"
EXPLAIN_EXPRESSION = "Expression"
TABS = {
    "mask": "Mask", "boundary": "Boundary", "refinement": "Refinement", "words": "Words", "attention": "Co-attention",
    "wordwise": "What each word does", "compare": "VCM against ACM", "take": "Take it away",
}  # fmt: skip
MODELS = {  # the two attentions, as the paper names them
    "cefnet-vcm": ("VCM", "vanilla co-attention"),
    "cefnet-acm": ("ACM", "asymmetric co-attention"),
}

# ask
PHOTO = "Photo"
EXPRESSION = "What should be masked?"
EXPRESSION_INFO = "Several at once: one a line, or with ; between them."
EXPRESSION_EXAMPLE = "dog on the left"
FIND = "Find it"
FOLLOW = "Follow my typing"
TOO_SLOW = "Following your typing is off: an answer takes {seconds:.1f} s here."
MORE = "Also in this photo"
NO_PHOTO = "Add a photo first, or take one of the examples."
NO_EXPRESSION = "Say what to look for, for example: dog on the left."
BUSY = "Many people are asking just now; please try again in a moment."

# masks
STYLE = "Show as"
STYLES = {"fill": "Filled", "outline": "Outline", "spotlight": "Spotlight", "cutout": "Cut out"}
LEGEND = "Show"
THRESHOLD = "Mask threshold"
THRESHOLD_INFO = "How certain a pixel must be to belong to the mask. Redrawn without asking the networks again."
FOUND = "Found"
FOUND_SOME = "Found {found} of {all}"
ONLY_BY = "by {names} only"
NOTHING = "Nothing here matches"
NOTHING_NOTE = "nothing here matches"
NO_PIXEL = "no pixel is this certain: lower the threshold"
AREA = "{area:.1f}% of the photo"
SCORE_HINT = "The line marks the score from which something counts as present"
MASK_ALT = "The photo with the masks of {model}"

# gallery
EXAMPLES = "Examples"
HISTORY = "Asked before (this visit)"
CREDITS = "Examples from Flickr: {parts}."
EXAMPLE_PHOTO = "photo {number}"
