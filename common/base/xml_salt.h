/* The salt of the process for expat's tables.  Internal to xml*.c. */
#ifndef WAFT_XML_SALT_H
#define WAFT_XML_SALT_H

unsigned long xml_salt_get(void);

#endif
